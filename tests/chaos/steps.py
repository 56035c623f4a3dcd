"""The named steps of a cart's life, and hooks that kill a process with kill -9 exactly there.

The product has no code for this: `child.py` starts it with these methods wrapped. A file with the step's name arms a
step; the first process that reaches the step removes the file and dies, so each file kills one process.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.aws.manifest_uploads import ManifestUploadStore
from chalicelib.aws.sqs_queue import SqsQueue
from chalicelib.job_message import Claim
from chalicelib.posting.new_cart import CartReplacer
from chalicelib.stores.carts import CartStore
from chalicelib.stores.ended_carts import EndedCartStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.uploads import UploadStore
from chalicelib.waking.database_queue import DatabaseQueue
from workers.bundling.plan_windows import WindowPlanner
from workers.files.volume import Volume
from workers.staging.eviction import Evictor
from workers.staging.release import SpaceReleaser
from workers.staging.reserve import Reserver
from workers.staging.stage import Stager
from workers.stores.layout_rows import LayoutRows
from workers.stores.recalls import RecallStore
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import WindowStore

When = Literal["before", "after"]

#: Steps of a worker, in the order of "The life of a cart" in docs/architecture.md; some are inside a transaction.
WORKER: dict[str, tuple[type, str, When]] = {
    "job-claimed": (JobStore, "claim", "after"),
    "manifest-recorded": (CartStore, "record_manifest", "after"),
    "manifest-read": (ManifestUploadStore, "delete", "before"),
    "manifest-deleted": (ManifestUploadStore, "delete", "after"),
    "staging-begun": (CartStore, "begin_staging", "after"),
    "recall-claimed": (RecallStore, "claim", "after"),
    "upload-begun": (BundleStore, "begin_upload", "after"),
    "windows-inserted": (WindowStore, "insert", "after"),
    "layout-committed": (WindowPlanner, "plan", "after"),
    "files-evicted": (Evictor, "free", "after"),
    "files-claimed": (StagedFileStore, "claim", "after"),
    "window-reserved": (Reserver, "reserve", "after"),
    "file-written": (Volume, "keep", "before"),
    "file-renamed": (Volume, "keep", "after"),
    "files-recorded": (StagedFileStore, "record_staged", "after"),
    "progress-marked": (CartStore, "mark_progress", "after"),
    "window-counted-as-staged": (CartStore, "count_window_staged", "after"),
    "window-staged": (Stager, "stage", "after"),
    "bundle-put": (BundleStore, "put", "after"),
    "part-uploaded": (BundleStore, "upload", "after"),
    "window-counted-as-done": (CartStore, "count_window_done", "after"),
    "last-window-done": (CartStore, "claim_completion", "after"),
    "bytes-counted-as-sent": (CartStore, "count_uploaded", "after"),
    "one-window-left": (CartStore, "is_last_window_left", "after"),
    "windows-became-jobs": (WindowPlanner, "next_jobs", "after"),
    "bundle-completed": (BundleStore, "complete", "after"),
    "cart-marked-ready": (CartStore, "mark_ready", "after"),
    "job-finishing": (JobStore, "finish", "before"),
    "job-finished": (JobStore, "finish", "after"),
    "job-deferred": (JobStore, "defer", "after"),
    "job-parked": (JobStore, "park", "after"),
    "messages-sent": (SqsQueue, "send", "after"),
    "message-deleting": (SqsQueue, "delete", "before"),
    "cart-failed": (CartStore, "fail", "after"),
    "reservations-released": (SpaceReleaser, "release_cart", "after"),
    "bundles-deleted": (BundleStore, "delete_all", "after"),
    "rows-deleted": (LayoutRows, "delete_some", "after"),
    "cart-cleared": (EndedCartStore, "mark_cleared", "after"),
}
#: Steps of the API.
API: dict[str, tuple[type, str, When]] = {
    "cart-committed-not-sent": (CartReplacer, "replace", "after"),
    "upload-named-not-answered": (UploadStore, "add", "after"),
    "upload-bound": (UploadStore, "bind", "after"),
    "cart-deleted-not-sent": (BundleStore, "delete_bundle", "before"),
    "posted-not-answered": (SqsQueue, "send", "after"),
}
#: A worker dies whenever it starts to write a file whose archive id contains this.
POISON = "poison"


def install(steps: dict[str, tuple[type, str, When]], armed: Path) -> None:
    """`armed`: the folder of the files that arm steps."""
    for name, (owner, method, when) in steps.items():
        for one in (SqsQueue, DatabaseQueue) if owner is SqsQueue else (owner,):
            setattr(one, method, _with_death(getattr(one, method), armed / name, when))


def install_poison() -> None:
    writing = Volume.writing

    def die_or_write(self: Volume, archive_id: str, claim: Claim, size: int) -> Any:
        if POISON in archive_id:
            _die()
        return writing(self, archive_id, claim, size)

    Volume.writing = die_or_write  # type: ignore[method-assign]


def _with_death(step: Callable[..., Any], armed: Path, when: When) -> Callable[..., Any]:
    @functools.wraps(step)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            _die_if(armed)
        result = step(*args, **kwargs)
        if when == "after":
            _die_if(armed)
        return result

    return wrapper


def _die_if(armed: Path) -> None:
    try:
        armed.rename(armed.with_name(f"{armed.name}.taken"))
    except OSError:
        return  # not armed, or another process was faster
    _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
