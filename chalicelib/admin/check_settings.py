"""Check of `doctor`: variables that no setting reads, though their names are near one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from chalicelib.admin.checks import Check, Problem
from chalicelib.config.settings import Settings
from chalicelib.config.unknown_variables import near_misses

DO = "Correct the name, or unset the variable: the service does not read it."


def settings_checks(environ: Mapping[str, str]) -> Iterator[Check]:
    yield Check("settings", lambda: _names(environ), DO)


def _names(environ: Mapping[str, str]) -> str:
    if found := [f"{name}: did you mean {meant}?" for name, meant in near_misses(environ)]:
        raise Problem("; ".join(found), DO)
    known = {field.metadata["env"] for field in dataclasses.fields(Settings)}
    return f"{len(environ.keys() & known)} set"
