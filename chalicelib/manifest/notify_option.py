"""The option `notify` of a manifest: whom to tell when the cart is ready or has failed. Pure.

Here only its form is checked; who may be told is checked at the POST (chalicelib/posting/notify_rights.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from chalicelib.manifest.json_values import TWICE, RepeatedKeys
from chalicelib.manifest.paths import kind, shown
from chalicelib.manifest.problems import ProblemsBelow

LONGEST_URL = 2000  # characters; the column holds 2048
LONGEST_ADDRESS = 254
LONGEST_NAME = 60  # of an unknown key, as the message shows it
_URL = re.compile(r"[!-~]+")
#: Without `!`, `%` and `?`, which lead elsewhere: mail servers follow the routes `eve%example.org@site` and
#: `example.org!eve@site` for those inside the site, and Python decodes `=?utf-8?q?...?=`.
_LOCAL, _LABEL = r"[A-Za-z0-9#$&'*+/=^_`{|}~-]+", r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_LOCAL}(?:\.{_LOCAL})*@{_LABEL}(?:\.{_LABEL})+")


def check_notify(given: object) -> str:
    """The option as JSON of one spelling. Raises ValueError, or ProblemsBelow that names the place."""
    if not isinstance(given, dict):
        raise ValueError(f'must be an object such as {{"webhook": "https://..."}}, not {kind(given)}')
    problems = [(f".{_named(name)}", TWICE) for name in given.differing] if isinstance(given, RepeatedKeys) else []
    found: dict[str, object] = {}
    for name, value in given.items():
        if name not in _CHECKS:
            problems.append((f".{_named(name)}", f"must be {' or '.join(_CHECKS)}"))
        elif value is not None and value is not False:
            try:
                found[name] = _CHECKS[name](value)
            except ValueError as error:
                problems.append((f".{name}", str(error)))
    if problems:
        raise ProblemsBelow(problems)
    return json.dumps(found, sort_keys=True)


def is_mail_address(text: object) -> bool:
    """Whether this is one plain address of an Internet domain; no quoted ones, which mean several things."""
    return isinstance(text, str) and len(text) <= LONGEST_ADDRESS and bool(_ADDRESS.fullmatch(text))


def _named(name: str) -> str:
    return name if name.isidentifier() and len(name) <= LONGEST_NAME else shown(name)


def _webhook(given: object) -> str:
    if not isinstance(given, str):
        raise ValueError(f"must be a string, not {kind(given)}")
    if len(given) > LONGEST_URL:
        raise ValueError(f"is longer than {LONGEST_URL} characters")
    if not _URL.fullmatch(given):
        raise ValueError("must be a URL of visible ASCII characters")
    return given


def _mail(given: object) -> str | bool:
    if given is True:
        return True
    if not is_mail_address(given):
        raise ValueError("must be true, for the address of your login, or one mail address")
    return str(given)


_CHECKS: dict[str, Callable[[object], str | bool]] = {"webhook": _webhook, "mail": _mail}
