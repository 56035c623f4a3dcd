"""The workloads: their sizes and repetitions."""

from __future__ import annotations

from dataclasses import dataclass

KB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SMALL, MEDIUM = 10 * KB, 100 * KB
TAR_BLOCK = 512

WORKLOADS = {
    "W1": "1,000 files of 10 KB: POST to ready",
    "W2": "10,000 files of 10 KB: POST to ready",
    "W3": "4 files of 1 GiB: POST to ready, and to the last byte on the client's disk",
    "W4": "20 carts of 50 files of 100 KB at once: the first POST to the last one ready",
    "W5": "rates of HEAD and POST, keep-alive clients",
    "W6": "the download of W3's bundle",
    "W7": "W1's cart again under another uid, with all its files staged",
    "W8": "W1 with PULL_CONCURRENCY=2 on an archive with 20 ms latency, by 1, 2 and 4 workers",
    "W9": "growth: carts of 100 to 100,000 files of 1 KB from the simulator, without the peer",
    "W10": "1,000 carts of one file of 10 KB by four clients, on either queue: the first POST to the last one ready",
    "W11": "a cart of one file beside 12 carts of 3,000 ids that the archive does not have: POST to ready",
    "W12": "reservations of 24 workers on a volume that takes 5 ms a call, without the peer",
    "queue": "the jobs table as the queue: claims and ends a second, how soon a job begins, without the peer",
    "import": "CPU that a Lambda's imports take, without the peer",
}


@dataclass(frozen=True, slots=True)
class Plan:
    runs: int
    #: longest wait in seconds for an idle machine before each measurement
    settle: float
    w1_files: int = 1_000
    w2_files: int = 10_000
    #: numbers of files the peer is measured with; its time for w2_files is modelled from them
    w2_peer_files: tuple[int, int] = (1_000, 2_500)
    w3_files: int = 4
    w3_size: int = GIB
    w4_carts: int = 20
    w4_files: int = 50
    heads: int = 3_000
    posts: int = 100
    w8_workers: tuple[int, ...] = (1, 2, 4)
    w8_latency_ms: float = 20.0
    growth_files: tuple[int, ...] = (100, 1_000, 10_000, 100_000)
    w10_carts: int = 1_000
    w11_carts: int = 12
    w11_files: int = 3_000
    #: seconds to wait for a cart
    limit: float = 1_800.0


FULL = Plan(runs=3, settle=10.0)
QUICK = Plan(
    runs=1,
    settle=0.5,
    w1_files=100,
    w2_files=1_000,
    w2_peer_files=(50, 150),
    w3_size=64 * MIB,
    w4_carts=5,
    w4_files=20,
    heads=500,
    posts=20,
    w8_workers=(1, 4),
    growth_files=(100, 1_000),
    w10_carts=40,
    w11_files=1_000,
    limit=60.0,
)


def bundle_bytes(files: int, size: int) -> int:
    """The approximate length of a tar of `files` files of `size` bytes."""
    blocks = -(-size // TAR_BLOCK) + 1
    return (files * blocks + 2) * TAR_BLOCK
