"""Who may import whom, and that importing does nothing: no I/O, no look at the environment."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "chalicelib": {"app", "wsgi", "workers", "infra", "bench", "tests"},
    "workers": {"app", "wsgi", "infra", "bench", "tests"},
    "app": {"wsgi", "workers", "infra", "bench", "tests"},
    "wsgi": {"workers", "infra", "bench", "tests"},
    "infra": {"app", "wsgi", "bench", "tests"},
}
#: A module imports only from those before it.
ORDER = [
    name
    for line in (
        "chalicelib.api.lazy chalicelib.errors chalicelib.config.logs chalicelib.config.docker_links",
        "chalicelib.config.parsers chalicelib.config.settings chalicelib.manifest.gunzip chalicelib.manifest.paths",
        "chalicelib.manifest.checks chalicelib.manifest.reader chalicelib.job_message",
        "chalicelib.db.models chalicelib.db.credentials",
        "chalicelib.db.mysql chalicelib.db.database chalicelib.db.migrations.ddl chalicelib.db.migrations.*",
        "chalicelib.db.migrations chalicelib.stores.jobs chalicelib.stores.unsent_jobs chalicelib.stores.entries",
        "chalicelib.stores.carts chalicelib.stores.progress chalicelib.endings chalicelib.aws.content_disposition",
        "chalicelib.aws.job_queue chalicelib.aws.bundle_store chalicelib.aws.manifest_uploads",
        "chalicelib.aws.url_signing chalicelib.sweep.policy chalicelib.sweep.fail_cart chalicelib.sweep.lost_messages",
        "chalicelib.sweep.dead_letters chalicelib.sweep.overdue_carts chalicelib.sweep.expired_bundles",
        "chalicelib.sweep.volume_reconcile chalicelib.sweep.orphan_uploads chalicelib.sweep.sweep chalicelib.service",
        "chalicelib.api.responses chalicelib.api.wsgi_adapter",
        "chalicelib.wiring chalicelib.sweeper chalicelib.command workers.runtime.parallel workers.files.crc64nvme",
        "workers.staging.file_actions workers.tar.headers workers.tar.layout workers.files.hashes",
        "workers.archive.fair_semaphore workers.archive.curl_handle workers.archive.transfers",
        "workers.archive.client workers.staging.file_sink workers.files.volume chalicelib.manifest.stream",
        "workers.stores.windows workers.stores.recalls workers.stores.shared_ranges workers.stores.staged_files",
        "workers.archive.retries workers.runtime.lease workers.staging.parts workers.staging.pull_file",
        "workers.staging.pull_batch workers.bundling.part_file workers.staging.asking workers.staging.metadata",
        "workers.staging.spread workers.staging.reserve workers.bundling.plan_windows",
        "workers.handlers.import_manifest workers.handlers.recall workers.staging.stage workers.bundling.upload",
        "workers.handlers.window workers.handlers.assist workers.handlers.fail_cart workers.handlers.cleanup",
        "workers.handlers.reconcile",
        "workers.runtime.heartbeat workers.runtime.consumer workers.wiring workers.__main__",
        "chalicelib.api.gunicorn_worker app wsgi",
    )
    for name in line.split()
]
PACKAGES = ("chalicelib", "workers", "infra")


def modules(*packages: str) -> dict[str, Path]:
    """Name -> file of every module of ours."""
    found = {name: ROOT / f"{name}.py" for name in ("app", "wsgi")}
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """The modules a file imports, also within functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (_module(f"{node.module}.{alias.name}", node.module) for alias in node.names)


def _module(longer: str, shorter: str) -> str:
    path = ROOT.joinpath(*longer.split("."))
    return longer if path.with_suffix(".py").exists() or path.is_dir() else shorter


def rank(name: str) -> int:
    """A module's place in the order; a package of which nothing but its being one is known comes first."""
    if name in ORDER:
        return ORDER.index(name)
    if f"{name.rpartition('.')[0]}.*" in ORDER:
        return ORDER.index(f"{name.rpartition('.')[0]}.*")
    assert (ROOT / name.replace(".", "/")).is_dir(), (
        f"{name} has no place yet: put it into ORDER, behind all that it imports"
    )
    return -1


@pytest.mark.parametrize("name", sorted(modules(*PACKAGES)))
def test_no_part_imports_from_one_it_must_not_know(name: str) -> None:
    tops = {other.partition(".")[0] for other in imported(modules(*PACKAGES)[name])}
    assert tops & FORBIDDEN[name.partition(".")[0]] == set()


@pytest.mark.parametrize("name", sorted(modules("chalicelib", "workers")))
def test_a_module_imports_only_from_modules_before_it(name: str) -> None:
    known = modules("chalicelib", "workers")
    later = [other for other in imported(known[name]) if other in known and rank(other) >= rank(name)]
    assert later == []


def test_the_order_names_only_modules_there_are() -> None:
    known = modules("chalicelib", "workers")
    assert [name for name in ORDER if name not in known and not name.endswith(".*")] == []


def test_importing_does_no_io_and_reads_no_environment() -> None:
    names = sorted(modules(*PACKAGES))
    guard = [sys.executable, "-m", "tests.unit.import_guard", *names]
    done = subprocess.run(guard, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}


def test_the_guard_would_tell(tmp_path: Path) -> None:
    (tmp_path / "nosy.py").write_text("import os\nHOME = os.environ.get('HOME')\nTEXT = open(__file__ + 'x', 'w')\n")
    environ = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    guard = [sys.executable, "-m", "tests.unit.import_guard", "nosy"]
    done = subprocess.run(guard, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    told = " ".join(json.loads(done.stdout)["nosy"])
    assert "read HOME of the environment" in told
