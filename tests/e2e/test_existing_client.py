"""The existing client, pacifica-downloader 0.4.1, works unmodified."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pacifica.downloader import Downloader

from tests.e2e.local_system import LocalSystem


def test_the_existing_client_downloads_its_files(system: LocalSystem, tmp_path: Path) -> None:
    for number in range(3):
        system.add_file(str(number), b"content %d" % number)
    files = {
        "0": {
            "subdir": "a/b",
            "name": "zero.txt",
            "hashtype": "sha1",
            "hashsum": hashlib.sha1(b"content 0").hexdigest(),
        },
        "1": {"subdir": "", "name": "one.txt", "hashtype": "sha1", "hashsum": hashlib.sha1(b"content 1").hexdigest()},
        "2": {"subdir": "a", "name": "unhashed.txt"},
    }
    downloader = Downloader(cart_api_url=system.url.rstrip("/"))
    downloader.transactioninfo(str(tmp_path), {"files": files})
    (root,) = tmp_path.iterdir()
    downloaded = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert downloaded == {"a/b/zero.txt": b"content 0", "one.txt": b"content 1", "a/unhashed.txt": b"content 2"}
