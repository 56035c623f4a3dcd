"""What is told: a CloudEvent 1.0 (https://cloudevents.io), the same at each attempt. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workers.stores.notifications import EndedCart, Notification

CONTENT_TYPE = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class Event:
    """`url`: the cart's address, where its owner logs in; never one that gives access by itself."""

    id: str
    source: str
    type: str
    time: str
    uid: str
    status: str
    message: str
    url: str
    size: int
    files: int

    def document(self) -> dict[str, Any]:
        names = ("uid", "status", "message", "url", "size", "files")
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.uid,
            "time": self.time,
            "datacontenttype": "application/json",
            "data": {name: getattr(self, name) for name in names},
        }

    def body(self) -> bytes:
        return json.dumps(self.document(), separators=(",", ":")).encode()


def event_of(told: Notification, cart: EndedCart, public_url: str) -> Event:
    """`public_url` ends with a slash. The id has no dots, which separate the parts that a webhook signs."""
    return Event(
        id=f"{told.cart_id}-{told.id}-{int(told.created_at * 1000)}",
        source=public_url,
        type=f"org.pacifica.cart.{told.event}",
        time=datetime.fromtimestamp(told.created_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        uid=told.uid,
        status=told.event,
        message=cart.message if told.event == "error" else "",
        url=f"{public_url}{told.uid}",
        size=cart.size if told.event == "ready" else 0,
        files=cart.files,
    )
