"""The layers of the product, and the picture of them in docs/architecture.md, drawn from the imports.

`python -m tests.unit.house` writes the picture into the document (`make picture`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- drawn from the imports by `make picture` -->\n", "<!-- end of the picture -->\n"

#: A package imports only from itself and from rows above its own.
LAYERS = (
    ("chalicelib.errors",),
    ("chalicelib.caller", "chalicelib.job_message", "chalicelib.metrics", "chalicelib.readable_size"),
    ("chalicelib.config", "chalicelib.job_queue", "chalicelib.manifest"),
    ("chalicelib.db", "chalicelib.notify", "chalicelib.tracing"),
    ("chalicelib.stores", "chalicelib.aws", "chalicelib.waking"),
    ("chalicelib.policy", "chalicelib.auth", "chalicelib.health"),
    ("chalicelib.endings", "chalicelib.refusals", "chalicelib.start_line"),
    ("chalicelib.sweep", "chalicelib.posting", "chalicelib.cart_views"),
    ("chalicelib.service", "chalicelib.sharing", "chalicelib.shared_carts", "chalicelib.listing"),
    ("chalicelib.wiring_base", "chalicelib.wiring_queue"),
    ("chalicelib.wiring_sweep", "chalicelib.wiring_health"),
    ("chalicelib.operating",),
    ("chalicelib.api", "chalicelib.wiring"),
    ("chalicelib.wiring_operating",),
    ("chalicelib.sweeper", "chalicelib.admin", "app"),
    ("wsgi", "asgi", "workers.tar", "workers.files", "workers.runtime"),
    ("workers.stores", "workers.archive"),
    ("workers.staging", "workers.notifying"),
    ("workers.bundling",),
    ("workers.handlers",),
    ("workers.policies", "workers.measuring"),
    ("workers.graph",),
    ("workers.wiring",),
    ("workers.__main__", "workers.alive"),
)
#: Not drawn: who else stands beside the packages is said in the text.
UNDRAWN = {
    "chalicelib.errors",
    "chalicelib.caller",
    "chalicelib.readable_size",
    "chalicelib.start_line",
    "chalicelib.sweeper",
    "chalicelib.wiring_base",
    "chalicelib.wiring_queue",
    "chalicelib.wiring_sweep",
    "chalicelib.wiring_health",
    "chalicelib.wiring_operating",
    "workers.graph",
    "workers.policies",
    "workers.measuring",
    "workers.alive",
    "workers.__main__",
}


def modules(*tops: str) -> dict[str, Path]:
    """Name -> file of every module below these top-level packages, and of the top-level modules."""
    found = {name: ROOT / f"{name}.py" for name in ("app", "wsgi", "asgi")}
    for top in tops:
        for path in (ROOT / top).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, also within functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (_module(f"{node.module}.{alias.name}", node.module) for alias in node.names)


def package_of(module: str) -> str:
    """The room a module is in: `chalicelib.db.migrations.ddl` is in `chalicelib.db`."""
    return ".".join(module.split(".")[:2])


def edges() -> set[tuple[str, str]]:
    """(importer, imported), by package, among those in LAYERS."""
    known = {package for row in LAYERS for package in row}
    return {
        (package_of(name), package_of(other))
        for name, path in modules("chalicelib", "workers").items()
        for other in imported(path)
        if package_of(name) in known and package_of(other) in known and package_of(other) != package_of(name)
    }


def picture() -> str:
    """A Mermaid flowchart: an arrow for each import between packages that does not follow from other arrows."""
    drawn = {edge for edge in edges() if not set(edge) & UNDRAWN}
    lines = ["```mermaid", "flowchart TD"]
    for top in ("chalicelib", "workers"):
        lines.append(f"    subgraph {top}")
        lines += [f"        {name}[{name.partition('.')[2]}]" for name in _nodes(drawn) if name.startswith(f"{top}.")]
        lines.append("    end")
    lines += [f"    {one} --> {other}" for one, other in sorted(_reduced(drawn))]
    return "\n".join([*lines, "```", ""])


def written(text: str) -> str:
    """The document with the picture drawn again."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + picture() + END + rest.partition(END)[2]


def _nodes(edges: Iterable[tuple[str, str]]) -> list[str]:
    found = {name for edge in edges for name in edge}
    return [name for row in LAYERS for name in row if name in found]


def _reduced(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Without the edges that follow from others."""

    def reaches(one: str, other: str, skipped: tuple[str, str]) -> bool:
        nexts = [there for here, there in edges if here == one and (here, there) != skipped]
        return any(there == other or reaches(there, other, skipped) for there in nexts)

    return {edge for edge in edges if not reaches(*edge, skipped=edge)}


def _module(longer: str, shorter: str) -> str:
    path = ROOT.joinpath(*longer.split("."))
    return longer if path.with_suffix(".py").exists() or path.is_dir() else shorter


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
