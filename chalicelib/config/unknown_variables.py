"""Environment variables that nobody reads and whose name is nearly that of a setting: most likely a slip of the pen."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping

from chalicelib.config.settings import Settings

ALIKE = 0.85  # as difflib measures it: two letters of fifteen may differ
SHORTEST = 5  # letters: shorter names are near to everything
#: Names that other programs read, and that begin as some of ours do.
_OF_OTHERS = re.compile(
    r"AWS_|PIP_|PYTHON|LC_|XDG_|DOCKER_|COMPOSE_|KUBERNETES_|GRANIAN_|GUNICORN_|ECS_|LAMBDA_|OTEL_|GIT|WEB_|npm_|_"
    r"|MYSQL_(?:ROOT_|ALLOW_|RANDOM_|ONETIME_|INITDB_|TCP_|UNIX_|PWD|ENV_|PORT_|NAME|TEST_)|MARIADB_"
)


def near_misses(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """The variables that may be meant for a setting, each with that setting's name; without those of other software."""
    known = _known()
    found = []
    for name in sorted(environ):
        if name in known or len(name) < SHORTEST or _OF_OTHERS.match(name) or _is_of_a_link(name):
            continue
        if near := _nearest(name, known):
            found.append((name, near))
    return found


def _known() -> set[str]:
    names = {field.metadata["env"] for field in dataclasses.fields(Settings)}
    return names | {f"{name}_FILE" for name in names} | {"CART_REVISION"}


def _nearest(name: str, known: set[str]) -> str:
    """The setting that the name is nearly; void if it is none, or a plain other word for something of its own."""
    upper = name.upper().replace("-", "_")
    if upper in known:
        return upper
    (near, *_) = [*difflib.get_close_matches(upper, known, 1, ALIKE), ""]
    return near


def _is_of_a_link(name: str) -> bool:
    """Docker and Kubernetes set these for each linked container or service."""
    return re.search(r"_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP)\w*|ENV_\w+)$", name) is not None
