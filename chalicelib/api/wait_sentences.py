"""What a cart waits for, in a sentence for its client: nothing of how the service is built, and no names of hosts."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.db.states import WaitsFor
from chalicelib.readable_size import readable_size
from chalicelib.stores.cart_waits import CartWait
from chalicelib.stores.progress import Counts

SENTENCES: Mapping[WaitsFor, str] = {
    WaitsFor.WORKER: "No worker has been free to go on with it.",
    WaitsFor.ARCHIVE: "The archive does not answer, or fails; it is asked again and again.",
    WaitsFor.TAPE: "Files are on tape and have been recalled.",
    WaitsFor.SPACE: "The volume has no room for its next files; carts that are finished make room.",
    WaitsFor.STORE: "The bundle store does not answer, or fails; it is tried again and again.",
    WaitsFor.QUEUE: "Its job has not reached a worker; it is sent again.",
    WaitsFor.DATABASE: "The database does not answer.",
    WaitsFor.POLICY: "Who may read its files cannot be asked at the moment; it is asked again and again.",
    WaitsFor.LIMIT: "Other carts of its owner have all the space that the owner may use at once.",
    WaitsFor.TURN: "Other carts have their turn.",
    WaitsFor.PAUSE: "The work on carts is paused by an operator.",
    WaitsFor.RETRY: "An attempt has failed; there will be another.",
}


def sentence(wait: CartWait, counts: Counts) -> str:
    if wait.waits_for == WaitsFor.TAPE and counts.on_tape:
        return f"{_files(counts.on_tape)} on tape and recalled."
    if wait.waits_for == WaitsFor.SPACE and counts.waiting_bytes:
        return f"It waits for {readable_size(counts.waiting_bytes)} of space on the volume."
    return SENTENCES[wait.waits_for]


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count} files are"
