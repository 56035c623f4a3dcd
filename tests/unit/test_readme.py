"""README.md and docs/ agree with the repository: make targets, links, modules, tests, defaults, statuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from chalicelib.api import responses
from chalicelib.stores.cart_row import UNFINISHED, CartState
from infra.local import environment
from infra.local.archive import SAMPLES
from tests.manifests import read

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/adr/*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_resolves(page: Path) -> None:
    targets = [target for target in LINK.findall(prose(page.read_text())) if "://" not in target]
    missing = [target for target in targets if not resolves(page, target)]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_named_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text()
    in_code = "".join(re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL))
    named = set(re.findall(r"`make ([a-z]+)", text) + re.findall(r"^make ([a-z]+)", in_code, re.MULTILINE))
    assert named <= targets


def test_the_manifest_in_the_readme_names_the_sample_files() -> None:
    (body,) = re.findall(r"<<'EOF'\n(.*?)^EOF$", README, re.MULTILINE | re.DOTALL)
    assert [entry.archive_id for entry in read(body.encode()).entries] == list(SAMPLES)
    assert json.loads(body)["fileids"][0] == {
        "id": "foo.txt",
        "path": "1/2/3/foo.txt",
        "hashtype": "md5",
        "hashsum": "",
    }


def test_the_readme_has_the_http_status_of_every_state() -> None:
    documented = {
        (cells[0], cells[1]) for cells in rows(README) if cells[0].strip("`") in (*UNFINISHED, "ready", "error")
    }
    states = [*UNFINISHED, CartState.READY, CartState.ERROR]
    assert documented == {(f"`{state}`", str(responses.HEAD_STATUS.get(state, 202))) for state in states} | {
        ("`error`", "404")
    }


def test_the_readme_has_the_defaults_of_make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    documented = {cells[0].strip("`"): cells[1].strip("`") for cells in rows(README) if len(cells) == 3}
    config = environment.read_config({})
    assert documented["PORT"] == str(config.port)
    assert documented["WORKERS"] == str(config.workers)
    assert tmp_path / documented["CART_HOME"] == config.home.root


def test_every_download_in_the_readme_follows_redirects_and_fails_on_an_error() -> None:
    downloads = [line for line in README.splitlines() if line.startswith("curl ") and " -X " not in line]
    assert len(downloads) == 2
    assert all(" -fL " in line for line in downloads)


def test_no_line_of_the_readme_asks_for_an_empty_uid() -> None:
    lines = [line for line in README.splitlines() if "127.0.0.1:8081/" in line and "MY_CART_UUID" in line]
    assert len(lines) > 6
    assert all('"http://127.0.0.1:8081/${MY_CART_UUID:?}' in line for line in lines)


@pytest.mark.parametrize("top", ["chalicelib", "workers"])
def test_the_architecture_has_a_row_for_every_package(top: str) -> None:
    packages = {path.parent.name for path in (ROOT / top).glob("*/__init__.py")}
    section = ARCHITECTURE.split(f"### {top}")[1].split("\n### ")[0].split("\n## ")[0]
    assert {cells[0].strip("`") for cells in rows(section) if cells[0].startswith("`")} == packages


def test_every_test_named_in_the_architecture_exists() -> None:
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", ARCHITECTURE))
    assert {file for file in files if not (ROOT / file).is_file()} == set()
    defined = set(re.findall(r"def (test_\w+)", "".join((ROOT / file).read_text() for file in files)))
    named = set(re.findall(r"`(test_\w+)`", ARCHITECTURE))
    assert named - defined == set()


def test_every_function_named_in_the_invariants_exists() -> None:
    named = re.findall(r"`([a-z_]+)\.(_?[a-z]+\w*)`", ARCHITECTURE.split("## Invariants")[1].split("\n## ")[0])
    named = [(module, function) for module, function in named if function != "py"]
    assert named
    missing = [f"{module}.{function}" for module, function in named if f"def {function}(" not in source(module)]
    assert not missing


@pytest.mark.parametrize("page", DECISIONS, ids=name)
def test_a_decision_has_a_number_a_date_and_four_sections(page: Path) -> None:
    text, number = page.read_text(), page.name[:4]
    assert text.startswith(f"# {number}: ")
    assert re.search(r"^Date: \d{4}-\d{2}-\d{2}$", text, re.MULTILINE)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Status", "Context", "Decision", "Consequences"]


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def prose(text: str) -> str:
    """The text without its code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def rows(text: str) -> list[list[str]]:
    """The cells of every table row."""
    return [[cell.strip() for cell in row.split("|")] for row in ROW.findall(prose(text))]


def resolves(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    return file.exists() and (not anchor or anchor in anchors(file))


def anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(file.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def source(module: str) -> str:
    """The source of all product modules of this name."""
    found = [path for package in ("chalicelib", "workers") for path in (ROOT / package).rglob(f"{module}.py")]
    return "".join(path.read_text() for path in found)
