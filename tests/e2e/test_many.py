"""Unusual names, concurrent carts and large carts."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.cart_client import Cart, entry
from tests.e2e.local_system import LocalSystem


def test_long_names_in_any_script_and_empty_files_are_bundled(system: LocalSystem) -> None:
    long = "/".join(["d" * 99] * 3)  # too long for a plain tar header
    contents = {
        "größe/測定 1.dat": b"unicode",
        f"{long}/{'f' * 250}.txt": b"long",
        "ä" * 127: b"255 bytes in one name",
        "empty.txt": b"",
        "one/empty.txt": b"",
        "exactly-a-block": b"x" * 512,
    }
    names = [system.add_file(f"odd-{n}", content) for n, content in enumerate(contents.values())]
    names[0] = system.add_file("odd-µ-測", b"unicode")
    entries = [
        entry(name, path, "sha1", hashlib.sha1(content).hexdigest())
        for name, (path, content) in zip(names, contents.items(), strict=True)
    ]
    cart = Cart(system.url).post(*entries)
    assert cart.wait() == "ready", cart.head().headers
    assert cart.files() == contents


def test_ten_concurrent_carts_that_share_files_are_all_right(system: LocalSystem) -> None:
    contents = [bytes([n]) * 20_000 for n in range(30)]
    names = [system.add_file(f"shared-{n}", content) for n, content in enumerate(contents)]

    def make_cart(number: int) -> dict[str, bytes]:
        chosen = [n for n in range(30) if (n + number) % 3]
        hashed = {n: hashlib.md5(contents[n]).hexdigest() for n in chosen}
        cart = Cart(system.url).post(*(entry(names[n], f"f/{n}", "md5", hashed[n]) for n in chosen))
        assert cart.wait() == "ready", cart.head().headers
        return cart.files()

    with ThreadPoolExecutor(10) as pool:
        carts = list(pool.map(make_cart, range(10)))
    for number, files in enumerate(carts):
        assert files == {f"f/{n}": contents[n] for n in range(30) if (n + number) % 3}


def test_a_cart_of_several_parts_is_complete(system: LocalSystem) -> None:
    content = b"0123456789abcdef" * (1 << 18)
    names = [system.add_file(f"large-{n}", bytes([n]) + content) for n in range(20)]
    cart = Cart(system.url).post(*(entry(name, name) for name in names))
    assert cart.wait() == "ready", cart.head().headers
    assert {path: len(data) for path, data in cart.files().items()} == dict.fromkeys(names, len(content) + 1)
