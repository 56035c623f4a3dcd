"""An index from which alone the sizes of all ready bundles are added up, where BUNDLE_LIMIT is set."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_index


def statements(dialect: str) -> list[str]:
    return [add_index(dialect, "carts", "carts_bundles", "live, state, bundle_size")]
