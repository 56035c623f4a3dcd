"""From the POST to a receiver that verifies what it gets, through a worker's own threads."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import requests

from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.receiver import Answer, Receiver, running_receiver, verified
from tests.integration.worker_site import until

KEY = f"whsk_{base64.b64encode(bytes(range(32))).decode()}"
CLOUD = "https://cart.example.org/"


def manifest(name: str, receiver: Receiver) -> bytes:
    return json.dumps({"fileids": [{"id": name, "path": name}], "notify": {"webhook": receiver.url}}).encode()


def upload(site: Site, uid: str, content: bytes) -> None:
    slot = site.system.service.manifest_upload(ANYONE, uid)
    assert requests.put(slot.url, data=content, timeout=10).status_code == 200
    site.system.service.create(ANYONE, uid, b'{"manifest": "uploaded"}')


def test_receivers_are_told_of_carts_that_end(site_of: Callable[..., Site], tmp_path: Path) -> None:
    """Of one that is ready, of one that failed, and of one whose upload says whom to tell; a 503 is tried again."""
    settings = {"NOTIFY_ALLOWED_HOSTS": "localhost", "PUBLIC_URL": CLOUD, "ARCHIVE_PATIENCE": "0.1"}
    site = site_of({"courier": {"first": 0.05, "pause": 0.05}}, NOTIFY_SIGNING_KEY=KEY, **settings)
    site.put("foo", b"foo")
    worker = site.start_worker()
    worker.notifying.publisher.publish()
    with running_receiver(tmp_path, secure=False) as receiver:
        receiver.answers.append(Answer(503, {"Retry-After": "0"}))
        worker.notifying.start()
        site.system.service.create(ANYONE, "ready", manifest("foo", receiver))
        site.system.service.create(ANYONE, "failed", manifest("missing", receiver))
        entry = json.dumps({"id": "foo", "path": "foo"})
        upload(site, "uploaded", f"{json.dumps({'notify': {'webhook': receiver.url}})}\n{entry}\n".encode())
        until(lambda: len(receiver.got) == 4, 30)
        worker.notifying.stop()
    [public] = site.system.notify_keys.all()
    events = [verified(f"whpk_{public}", headers, body) for _, headers, body in receiver.got]
    assert {(event["subject"], event["type"].rpartition(".")[2]) for event in events} == {
        ("ready", "ready"),
        ("failed", "error"),
        ("uploaded", "ready"),
    }
    assert len({event["id"] for event in events}) == 3  # the 503's is the same at both attempts
    failed = next(event["data"] for event in events if event["subject"] == "failed")
    assert failed["message"] == site.wait("failed").message != ""
    assert all(event["data"]["url"] == f"{CLOUD}{event['subject']}" for event in events)


def test_an_upload_that_asks_for_what_is_not_allowed_fails(site: Site) -> None:
    site.start_worker()
    hook = {"notify": {"webhook": "https://169.254.169.254/"}}
    upload(site, "a", f'{json.dumps(hook)}\n{{"id": "foo", "path": "foo"}}\n'.encode())
    cart = site.wait("a")
    assert (cart.state, cart.message) == ("error", "notify.webhook: must have a host name, not an address")
