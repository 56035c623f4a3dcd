"""A covering index for the sum of all ready bundles, which BUNDLE_LIMIT needs."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_index


def statements(dialect: str) -> list[str]:
    return [add_index(dialect, "carts", "carts_bundles", "live, state, bundle_size")]
