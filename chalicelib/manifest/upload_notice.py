"""The body of a POST that binds an upload: `{"manifest": "uploaded"}`, with the options of a manifest. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.errors import InvalidManifest
from chalicelib.manifest.gunzip import TooLarge, unpacked
from chalicelib.manifest.json_stream import ENTRY_KEYS
from chalicelib.manifest.json_values import DECODER, TWICE, RefusedConstant, RepeatedKeys
from chalicelib.manifest.options import CHECKS, IN_POST, GivenOptions, Options
from chalicelib.manifest.paths import byte_length, check_text, shown
from chalicelib.manifest.problems import Problems

MAX_NOTICE = 8192  # bytes of a body that may be one


@dataclass(frozen=True, slots=True)
class UploadNotice:
    """A POST that binds an upload. `upload`: which; "" is the newest."""

    upload: str
    options: Options


def upload_notice(body: bytes) -> UploadNotice | None:
    """What `{"manifest": "uploaded"}` says, gzipped or not; None if the body is something else.

    Raises InvalidManifest if an option, or `upload`, is not valid.
    """
    content = _small_object(body)
    pairs = content.pairs if isinstance(content, RepeatedKeys) else list(content.items())
    if ("manifest", "uploaded") not in pairs or any(key in content for key in ("fileids", *ENTRY_KEYS)):
        return None
    problems = Problems()
    options = GivenOptions(problems)
    if any(key == "manifest" and value != "uploaded" for key, value in pairs):
        problems.add("manifest", TWICE)
    upload = _upload_given([value for key, value in pairs if key == "upload" and value is not None], problems)
    for key, value in pairs:
        if key in CHECKS:
            options.add(key, value, IN_POST)
    if problems:
        raise InvalidManifest(problems.lines)
    return UploadNotice(upload, options.effective())


def _upload_given(values: list[Any], problems: Problems) -> str:
    """The one upload that these name; "" if there are none. What is wrong with them becomes problems."""
    names = [name for value in values if (name := problems.collect("upload", _upload_name, value)) is not None]
    for name in names:
        if name != names[0]:
            problems.add("upload", f"is {shown(names[0])} {IN_POST} and {shown(name)} {IN_POST}")
            break
    return names[0] if names else ""


def _upload_name(raw: object) -> str:
    name = check_text(raw)
    byte_length(name)  # raises for a lone surrogate, which no database can look up
    return name


def _small_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body of at most MAX_NOTICE bytes; {} if it is something else."""
    if len(body) > MAX_NOTICE:
        return {}
    try:
        text = b"".join(unpacked([body], MAX_NOTICE)).decode("utf-8-sig").strip(" \t\r\n")
        found, end = DECODER.raw_decode(text)
    except (ValueError, RecursionError, RefusedConstant, TooLarge):
        return {}
    return found if isinstance(found, dict) and end == len(text) else {}
