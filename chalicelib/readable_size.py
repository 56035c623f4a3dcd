"""Sizes as people read them."""

from __future__ import annotations

UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")
STEP = 1000


def readable_size(size: int) -> str:
    """`2.1 TB`, `37 bytes`: at most three digits before the unit, one after the point."""
    value, unit = float(size), 0
    while round(value, 1) >= STEP and unit < len(UNITS) - 1:
        value, unit = value / STEP, unit + 1
    return f"{size} {'byte' if size == 1 else 'bytes'}" if unit == 0 else f"{value:.1f} {UNITS[unit]}"


def distinct_sizes(*sizes: int) -> list[str]:
    """Readable sizes; in bytes where different sizes would read the same."""
    texts = [readable_size(size) for size in sizes]
    return texts if len(set(texts)) == len(set(sizes)) else [f"{size} bytes" for size in sizes]
