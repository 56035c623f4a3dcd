"""That a small bundle's files are staged is recorded with its end, or while its PUT takes long, or when that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.db.states import WindowState
from chalicelib.errors import StoreUnavailable
from chalicelib.stores.cart_row import CartState
from tests.doubles.site import MemorySite, expired
from workers.runtime.outcomes import Done

FILES = {"x": b"hello", "y": b"world!"}


class Killed(BaseException):
    """The worker was killed."""


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path, small_bundle=1 << 20)


def test_the_end_records_everything(site: MemorySite) -> None:
    cart = site.lay_out("uid", FILES)
    assert site.window_handler.run(site.lease(cart)) == Done()
    ready = site.cart(cart.id)
    assert (ready.state, ready.files_staged, ready.bytes_staged) == (CartState.READY, 2, 11)
    assert (site.state_of(cart), site.pins()) == (WindowState.DONE, {"x": 0, "y": 0})
    staged = sum(row.size for row in site.world.staged_files.find(FILES).values() if row.state == "staged")
    assert staged == 11


def test_a_put_that_fails_loses_no_file(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    cart = site.lay_out("uid", FILES)
    lease = site.lease(cart)

    def fails(*_: Any) -> str:
        raise StoreUnavailable("The bundle store did not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(site.bundles, "put", fails)
        with pytest.raises(StoreUnavailable):
            site.window_handler.run(lease)
    assert (site.state_of(cart), site.cart(cart.id).state) == (WindowState.STAGED, CartState.BUNDLING)
    site.archive.asked.clear()
    assert site.window_handler.run(expired(lease, site)) == Done()
    assert site.archive.asked == []


@pytest.mark.parametrize(("seconds", "state"), [(0.1, WindowState.RESERVED), (1.0, WindowState.STAGED)])
def test_a_put_that_takes_long_is_seen_as_bundling(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch, seconds: float, state: WindowState
) -> None:
    """A worker that is killed before that pulls the files again."""
    cart = site.lay_out("uid", FILES)
    lease, put = site.lease(cart), site.bundles.put

    def slow(*arguments: Any) -> str:
        etag = put(*arguments)
        site.database.advance(seconds)
        return etag

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(site.bundles, "put", slow)
        patch.setattr(site.finisher, "finish", killed)
        with pytest.raises(Killed):
            site.window_handler.run(lease)
    assert site.state_of(cart) == state
    assert site.window_handler.run(expired(lease, site)) == Done()
    assert site.cart(cart.id).state == CartState.READY
