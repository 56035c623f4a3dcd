"""SQL text with its parameters."""

from __future__ import annotations

from typing import Any

import peewee


class Literal(peewee.SQL):
    """SQL whose parameters peewee passes to the driver as they are."""

    def __sql__(self, ctx: Any) -> Any:
        ctx.literal(self.sql)
        ctx._values.extend(self.params)
        return ctx
