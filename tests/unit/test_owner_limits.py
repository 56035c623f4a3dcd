"""LIMITS: what is read from it, which limit applies, and what is said about a bad one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chalicelib.config.owner_limits import OwnerLimits, limit_book
from chalicelib.config.settings import load
from chalicelib.errors import SettingsError

TEXT = json.dumps(
    {
        "owners": {"ann": {"carts": 5, "bundles": "2T"}},
        "groups": {"small": {"carts": 3, "posts": 10}, "large": {"carts": 9}, "free": {"carts": 0}},
    }
)


def test_the_defaults_are_those_of_the_settings() -> None:
    found = limit_book(load({"LIMIT_CARTS": "7", "LIMIT_STAGING": "1G"})).of("ann", ())
    assert found == OwnerLimits(7, 5_000_000, 100 << 40, 1 << 30, 0, 20, 120)


@pytest.mark.parametrize(
    ("owner", "groups", "carts"),
    [
        ("ann", ("large",), 5),
        ("ben", ("small",), 3),
        ("ben", ("small", "large"), 9),
        ("ben", ("large", "free"), 0),
        ("ben", ("other",), 200),
        ("ben", (), 200),
    ],
)
def test_the_owner_beats_its_groups_and_the_largest_of_these_counts(
    owner: str, groups: tuple[str, ...], carts: int
) -> None:
    assert limit_book(load({"LIMITS": TEXT})).of(owner, groups).carts == carts


def test_a_limit_that_is_not_named_is_the_default(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    file.write_text(TEXT)
    found = limit_book(load({"LIMITS": str(file)})).of("ann", ("small",))
    assert (found.bundles, found.posts, found.entries) == (2 << 40, 10, 5_000_000)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"owners": {"ann": {"cart": 5}}}', "owners.ann.cart: must be one of carts"),
        ('{"owners": {"ann": {"carts": -1}}}', "owners.ann.carts: must be a number, 0 or more"),
        ('{"owners": {"ann": {"carts": 1.5}}}', "owners.ann.carts: must be"),
        ('{"owners": {"ann": {"carts": true}}}', "owners.ann.carts: must be"),
        ('{"owners": {"ann": {"carts": null}}}', "owners.ann.carts: must be"),
        ('{"owners": {"ann": {"carts": "5T"}}}', "owners.ann.carts: must be"),
        ('{"owners": {"ann": {"bundles": "5X"}}}', "owners.ann.bundles: must be a number, 0 or more, with K"),
        ('{"owners": {"ann": {"bundles": 9223372036854775808}}}', "owners.ann.bundles: is too large"),
        ('{"groups": {"g": 5}}', "groups.g: must be an object"),
        ('{"groups": []}', "groups: must be an object"),
        ('{"group": {}}', "group: must be owners or groups"),
        ('{"owners": ', "LIMITS: "),
        ('{"owners":' * 100_000, "too deep"),
        ('{"owners": {"ann": {"carts": 1}}, "owners": {}}', "owners: is there twice"),
        ('{"owners": {"ann": {"carts": 1}, "ann": {"carts": 2}}}', "ann: is there twice"),
        ('{"owners": {"ann": {"carts": 1, "carts": 2}}}', "carts: is there twice"),
        ('{"owners": {"ann": {"carts": NaN}}}', "owners.ann.carts: must be"),
        ('{"owners": {"ann": {"bundles": "8388608T"}}}', "owners.ann.bundles: is too large"),
        ("/", "LIMITS: "),
        ("/does/not/exist.json", "LIMITS: "),
        ("[]", "LIMITS: "),
    ],
)
def test_a_bad_text_is_refused_by_its_place(text: str, place: str) -> None:
    with pytest.raises(SettingsError) as refused:
        limit_book(load({"LIMITS": text}))
    assert "LIMITS: " in refused.value.message
    assert place in refused.value.message


@pytest.mark.parametrize("name", ["LIMIT_CARTS", "LIMIT_POSTS", "LIMIT_BUNDLES", "LIMIT_STAGING"])
def test_a_limit_that_the_database_cannot_hold_is_a_bad_setting(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}.* too large"):
        load({name: str(1 << 63)})
    load({name: str((1 << 63) - 1)})
