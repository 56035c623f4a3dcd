"""What each owner may use: the defaults, and LIMITS, which has others for some owners and groups."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.config.parsers import TOO_LARGE, count, size
from chalicelib.config.settings import Settings
from chalicelib.errors import SettingsError


@dataclass(frozen=True, slots=True)
class OwnerLimits:
    """0 is no limit. Sizes are bytes, `posts` are in a minute."""

    carts: int = 0
    entries: int = 0
    bundles: int = 0
    staging: int = 0
    recalls: int = 0
    uploads: int = 0
    posts: int = 0


NAMES = tuple(field.name for field in dataclasses.fields(OwnerLimits))
SIZES = ("bundles", "staging")

Overrides = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class LimitBook:
    defaults: OwnerLimits = OwnerLimits()
    owners: Overrides = dataclasses.field(default_factory=dict)
    groups: Overrides = dataclasses.field(default_factory=dict)

    def of(self, owner: str, groups: Sequence[str]) -> OwnerLimits:
        """An owner's own limit, else the largest of those of its groups, else the default."""
        return OwnerLimits(**{name: self._limit(name, owner, groups) for name in NAMES})

    def _limit(self, name: str, owner: str, groups: Sequence[str]) -> int:
        own = self.owners.get(owner, {})
        if name in own:
            return own[name]
        found = [self.groups[group][name] for group in groups if name in self.groups.get(group, {})]
        if not found:
            return int(getattr(self.defaults, name))
        return 0 if 0 in found else max(found)


def limit_book(settings: Settings) -> LimitBook:
    """Raises SettingsError that names the place in LIMITS."""
    defaults = OwnerLimits(
        settings.limit_carts,
        settings.limit_entries,
        settings.limit_bundles,
        settings.limit_staging,
        settings.limit_recalls,
        settings.limit_uploads,
        settings.limit_posts,
    )
    given = settings.limits.strip()
    if not given:
        return LimitBook(defaults)
    try:
        return LimitBook(defaults, **_parsed(given if given.startswith("{") else Path(given).read_text("utf-8")))
    except RecursionError:
        raise SettingsError(["LIMITS: has objects within objects too deep"]) from None
    except (OSError, ValueError) as error:
        raise SettingsError([f"LIMITS: {error}"]) from error


def _parsed(text: str) -> dict[str, Overrides]:
    document = _object(json.loads(text, object_pairs_hook=_once), "the document")
    unknown = sorted(set(document) - {"owners", "groups"})
    if unknown:
        raise ValueError(f"{unknown[0]}: must be owners or groups")
    return {kind: _overrides(kind, _object(names, kind)) for kind, names in document.items()}


def _overrides(kind: str, names: Mapping[str, Any]) -> Overrides:
    return {
        name: {key: _number(f"{kind}.{name}.{key}", key, value) for key, value in _object(limits, place).items()}
        for name, limits in names.items()
        for place in [f"{kind}.{name}"]
    }


def _number(place: str, key: str, value: Any) -> int:
    if key not in NAMES:
        raise ValueError(f"{place}: must be one of {', '.join(NAMES)}")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{place}: must be a number, 0 or more")
    suffix = ", with K, M, G or T or without" if key in SIZES else ""
    try:
        return size(str(value)) if key in SIZES else count(str(value))
    except ValueError as error:
        problem = "is too large" if str(error) == TOO_LARGE else f"must be a number, 0 or more{suffix}"
        raise ValueError(f"{place}: {problem}") from None


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object; with one of two limits that were given for a name, nobody would know which."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)}: is there twice")
    return found


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: must be an object")
    return value
