"""No policy is configured: everybody may read everything."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chalicelib.policy.policy import Reader


class Everybody:
    asks = False

    def refused(self, reader: Reader, archive_ids: Sequence[str]) -> Collection[str]:
        return ()
