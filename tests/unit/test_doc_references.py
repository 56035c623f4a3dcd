"""Every file, module, function, class, test, variable and make target that a page names in backticks exists.

The code is parsed, not imported. A span counts as a name by its form: `tests/x.py`, `JobStore.claim`, `volume.keep`,
`WindowPlanner`, `PART_SIZE`, `volume_limit_gb`. In commands, quoted texts and blocks only modules and `make` targets
are checked.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
PACKAGES = ("chalicelib", "workers", "infra", "bench", "tests")
SOURCES = [
    *(ROOT / f"{name}.py" for name in ("app", "asgi", "wsgi")),
    *(path for top in PACKAGES for path in (ROOT / top).rglob("*.py")),
]
#: Files whose words count as names too: Terraform variables and outputs, container settings, make variables.
PLAIN = ("infra/**/*.tf", "infra/**/Dockerfile*", "workers/Dockerfile", "Dockerfile*", "*.yml", "Makefile", ".ci/run")
PLAIN_FILES = [path for glob in PLAIN for path in ROOT.glob(glob)]
DATA = ("csv", "db", "hcl", "ini", "json", "pem", "tar", "txt")
#: Python, Peewee, RDS, Compose, HTTP, ECS and hash names.
FOREIGN = {
    *("http.client", "Path", "query.execute", "db.t4g.micro", "ca_cert_identifier", "docker-compose.override.yml"),
    *("Allow", "Location", "OutOfMemory", *hashlib.algorithms_guaranteed),
}
FILE = re.compile(r"[\w./*-]*?[\w*-]+\.(?:py|tf|yml|toml|lock|md)|(?:\w+/)?Dockerfile\.?\w*|\.ci/run")
BLOCK = re.compile(r"^ *```.*?^ *```", re.M | re.S)
DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
MODULE = re.compile(rf"(?<![\w./-])(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
NAME = re.compile(r"[A-Z][A-Z0-9_]{3,}|[A-Z][a-z]\w*|_?[a-z]\w*_\w+")  # constant, class, name with an underscore


class Code:
    """What the code defines: the members of each module and class, and every word that is used as a name."""

    def __init__(self) -> None:
        #: By class, by module and by the last part of a module's name.
        self.members: dict[str, set[str]] = defaultdict(set)
        self.words: set[str] = set()
        for path in SOURCES:
            dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            tree = ast.parse(path.read_text())
            here = {name for node in ast.walk(tree) for name in _defined(node)}
            for module in (dotted, dotted.rpartition(".")[2]):
                self.members[module] |= here
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    self.members[node.name] |= {name for inner in ast.walk(node) for name in _defined(inner)}
            if path != Path(__file__):
                self.words |= here | {word for node in ast.walk(tree) for word in _used(node)}
        self.words |= {word for path in PLAIN_FILES for word in re.findall(r"\w+", path.read_text())}

    def has(self, dotted: str) -> bool:
        """Whether `a.b.c` is a module, or `c` is defined in module or class `a.b`."""
        if dotted in self.members:
            return True
        owner, _, name = dotted.rpartition(".")
        return name in self.members.get(owner, ()) or (owner in self.words and self._is_terraform(owner, name))

    def _is_terraform(self, variable: str, attribute: str) -> bool:
        return any(
            re.search(rf'variable "{variable}".*?\b{attribute}\b', path.read_text(), re.S) for path in PLAIN_FILES
        )


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.id if isinstance(node, ast.Name) else node.attr


def _used(node: ast.AST) -> Iterator[str]:
    """Names that are not defined here: attributes of libraries, keywords, and strings such as environment variables."""
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.keyword | ast.arg) and node.arg:
        yield node.arg
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w-]+", node.value):
        yield node.value


@functools.cache
def code() -> Code:
    return Code()


@functools.cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


def missing(span: str) -> list[str]:
    """The names in a span of code that nothing defines."""
    return missing_in_command(span) or ([] if exists(span) else [span])


def missing_in_command(text: str) -> list[str]:
    """The `make` targets and modules in a text that nothing defines."""
    lost = [f"make {target}" for target in re.findall(r"^make ([a-z-]+)", text, re.M) if target not in targets()]
    return lost + [name for name in MODULE.findall(text) if not name.endswith(".py") and not code().has(name)]


def exists(span: str) -> bool:
    """False only for a span that has the form of a name or a path of ours."""
    file, _, test = span.partition("::")
    name = re.sub(r"[=(].*", "", span, flags=re.S)
    if test or FILE.fullmatch(file) or file.startswith(tuple(f"{top}/" for top in PACKAGES)):
        return file in FOREIGN or any(not test or f"def {test}(" in path.read_text() for path in _files(file))
    if ":" in span and NAME.fullmatch(span.partition(":")[0]):  # a step of the chaos fault DeathAtStep
        return all(part in ("*", *code().words) for part in span.split(":"))
    if name in FOREIGN or name.startswith("AWS_") or name.rpartition(".")[2] in DATA:  # AWS_: boto3's
        return True
    if DOTTED.fullmatch(name):
        return code().has(name)
    return not NAME.fullmatch(name) or name in code().words


def _files(name: str) -> list[Path]:
    """A path from the root, or a file of that name anywhere in our folders."""
    found = list(ROOT.glob(name.rstrip("/"))) if "/" in name or (ROOT / name).exists() else []
    return found or [path for path in (*SOURCES, *PLAIN_FILES) if path.name == name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_name_on_a_page_exists(page: Path) -> None:
    text = page.read_text()
    blocks, prose = BLOCK.findall(text), BLOCK.sub("", text)
    dead = [name for block in blocks for name in missing_in_command(block)]
    assert not dead + [name for span in re.findall(r"`([^`]+)`", prose) for name in missing(span)]


@pytest.mark.parametrize(
    "name",
    [
        *("JobStore.claimed", "volume.kept", "jobs.no_such_name", "WindowPlanned", "chalicelib.sweep.sweeping"),
        *("chalicelib/db/gone.py", "gone.py", "tests/unit/test_gone.py", "tests/unit/test_layout.py::test_gone"),
        *("PART_SIZES", "NO_SUCH_SETTING=1", "volume_limit_tb", "worker_count.mean", "make believe", "no_function()"),
        *("python -m infra.packaged", "DeathAtStep:no-such-step", "test_that_nobody_wrote", "tests/gone/"),
    ],
)
def test_a_name_that_nothing_defines_is_found(name: str) -> None:
    assert missing(name)
