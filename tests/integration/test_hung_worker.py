"""A thread of a real worker process hangs: its log, its row and its liveness file say so within the bound."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from chalicelib.stores.worker_states import WorkerState, WorkerStateStore
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import manifest

#: A worker whose handler of recalls never returns, as on a volume that does not answer.
HUNG = """
import sys, time
from workers import __main__
from workers.handlers.recall import RecallHandler
from workers.handlers.import_manifest import ImportManifestHandler
for handler in (RecallHandler, ImportManifestHandler):
    handler.run = lambda self, lease: time.sleep(600)
sys.exit(__main__.main())
"""


def test_a_worker_that_hangs_says_so_and_fails_its_health_check(site_of: Callable[..., Site], tmp_path: Path) -> None:
    file = tmp_path / "alive"
    site = site_of(LIVENESS_FILE=str(file), HUNG_AFTER="1", LEASE="2", CART_REVISION="abc123")
    states = WorkerStateStore(site.system.database)
    site.put("a", b"alpha")
    site.system.service.create(ANYONE, "one", manifest({"a": b"alpha"}))
    with (tmp_path / "log").open("w") as log:
        worker = subprocess.Popen(
            [sys.executable, "-c", HUNG], env=os.environ | site.variables, stderr=log, cwd=Path.cwd()
        )
        try:
            [state] = _wait_until(lambda: [one for one in states.all() if one.hung])
            touched = file.stat().st_mtime
        finally:
            worker.terminate()
            assert worker.wait(20) == 0, "it drains all the same"
    assert (state.revision, len(state.held)) == ("abc123", 1)
    assert " job " in state.step
    assert state.memory > 1 << 20
    assert "This worker hangs: no step for" in (tmp_path / "log").read_text()
    assert file.stat().st_mtime == touched
    assert [one.stopped_at is not None for one in states.all()] == [True]


def _wait_until(found: Callable[[], list[WorkerState]]) -> list[WorkerState]:
    for _ in range(200):
        if result := found():
            return result
        time.sleep(0.1)
    raise AssertionError("it did not come")
