"""Names that fall together, or that Windows cannot hold: refused, or accepted with a warning."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.manifest.path_tree import folded
from tests.manifests import Manifest, outcome, read

NFC, NFD = "caf\u00e9", "cafe\u0301"


def document(*paths: str, **options: Any) -> bytes:
    return json.dumps({"fileids": [{"id": 1, "path": path} for path in paths], **options}).encode()


def warnings(*paths: str, root: str = "uid") -> list[str]:
    """Those of a manifest, which are its problems if names must be portable."""
    found = read(document(*paths, root=root)).warnings
    if len(found) < 20:
        assert outcome(document(*paths, root=root, names="portable")) == (
            tuple(found) or read(document(*paths, root=root, names="portable"))
        )
    return found


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        (f"{NFC}.txt", f"{NFD}.txt", "'cafe\\u0301.txt'"),
        (f"{NFD}.txt", f"{NFC}.txt", "'caf\\xe9.txt'"),
        (f"{NFC}/a", f"{NFD}/b", "'cafe\\u0301'"),
        (f"{NFD}/a", f"{NFC}/b", "'caf\\xe9'"),
        (f"x/{NFC}/y/a", f"x/{NFD}/y/b", "'x/cafe\\u0301/y'"),
        (f"{NFC}", f"{NFD}/b", "'cafe\\u0301'"),
        (f"{NFC}/b", f"{NFD}", "'cafe\\u0301'"),
        ("\u1e69", "s\u0323\u0307", "'s\\u0323\\u0307'"),
        ("s\u0307\u0323", "s\u0323\u0307", "'s\\u0323\\u0307'"),
        ("\u212b", "\u00c5", "'\\xc5'"),
        ("\uac00", "\u1100\u1161", "'\\u1100\\u1161'"),
        ("K", "\u212a", "'\\u212a'"),
    ],
)
def test_one_name_in_two_unicode_forms_is_refused_naming_both(one: str, other: str, shown: str) -> None:
    found = outcome(document("first", one, "between", other))
    assert found == (
        f"fileids[3].path: {shown} and a name in fileids[1].path differ only in their Unicode normal form:"
        " many systems extract only one of them",
    )


def test_one_form_throughout_is_fine_whichever_it_is() -> None:
    for name in (NFC, NFD):
        assert read(document(f"{name}/a", f"{name}/b", f"{name}.txt", f"x/{name}/{name}")).warnings == []
    assert isinstance(outcome(document(f"x/{NFC}", f"y/{NFD}")), Manifest)


@pytest.mark.parametrize(
    ("one", "other"),
    [("README", "readme"), ("readme", "README"), ("Readme", "README"), ("straße", "STRASSE"), ("É", "é"),
     (f"A{NFC}", f"a{NFD}"), ("Σ", "ς"), ("data/A", "data/a"), ("x/Data/a", "x/data/b"), ("a", "A/b")],
)  # fmt: skip
def test_names_equal_but_for_case_are_accepted_with_a_warning(one: str, other: str) -> None:
    (warning,) = warnings(one, other)
    assert warning.startswith("fileids[1].path: ")
    assert "differs only in case from a name in fileids[0].path" in warning


@given(st.lists(st.text("aAbBéÉe\u0301", min_size=1, max_size=3), max_size=8, unique=True))
def test_a_warning_comes_for_every_name_that_folds_to_an_earlier_one(names: list[str]) -> None:
    found = outcome(document("first", *names))
    seen: set[str] = {"first"}
    expected = []
    for number, name in enumerate(names, 1):
        if folded(name) in seen:
            expected.append(f"fileids[{number}].path")
        seen.add(folded(name))
    if isinstance(found, Manifest):
        assert [warning.split(":")[0] for warning in found.warnings] == expected


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        *((name, "is the name of a device on Windows") for name in (
            "CON", "con", "Prn", "AUX.txt", "nul.tar.gz", "COM1", "com9.x", "LPT1", "lpt\u00b9", "CONIN$", "conout$.x",
            "aux .txt",
        )),
        *((f"a{sign}b", f"contains {sign!r}, which Windows does not allow") for sign in '<>:"|?*'),
        *((name, "ends in a dot or a space, which Windows drops") for name in ("a.", "a ", "a..", "a .", "...", ". ")),
    ],
)  # fmt: skip
def test_names_that_windows_cannot_hold_are_accepted_with_a_warning(path: str, reason: str) -> None:
    assert warnings(path) == [f"fileids[0].path: {path!r} {reason}"]
    assert warnings("x", f"d/{path}/f") == [f"fileids[1].path: {path!r} {reason}"]
    assert warnings(f"d/{path}/f", f"d/{path}/g", f"d/{path}/h/i") == [f"fileids[0].path: {path!r} {reason}"]
    if "/" not in path:
        assert warnings("x", root=path) == [f"root: {path!r} {reason}"]


@pytest.mark.parametrize(
    "path",
    ["console", "con1", "icon", "a.con", "com", "com10", "lpt", "nula", ".hidden", "a b", "a.b", "été", "漢字"],
)
def test_names_that_every_system_holds_have_no_warning(path: str) -> None:
    assert warnings(path, f"d/{path}/f") == []


def test_a_path_over_260_characters_with_its_root_has_a_warning() -> None:
    exact = "a/" * 30 + "f" * 196  # 256
    assert warnings(exact, root="uid") == []
    assert warnings(exact, root="uid4") == ["fileids[0].path: is 261 characters long with the root, over Windows' 260"]
    assert warnings("x", exact, exact + "1", exact + "2", root="uid") == [
        "fileids[2].path: is 261 characters long with the root, over Windows' 260; 1 more are over 260"
    ]
    assert warnings("🚀" * 63 + "/" + "🚀" * 63, root="12345678") == [
        "fileids[0].path: is 262 characters long with the root, over Windows' 260"
    ]


def test_warnings_are_bounded_and_problems_stop() -> None:
    names = [f"{number}:" for number in range(300)]
    found = warnings(*names)
    assert len(found) == 21
    assert found[-1] == "and 280 more"
    refused = outcome(document(*names, names="portable"))
    assert len(refused) == 101
    assert refused[-1] == "and more: reading stopped after 100 problems"


def test_portable_names_are_accepted_where_they_must_be() -> None:
    assert read(document("a/b.txt", f"a/{NFC}", names="portable")).warnings == []
