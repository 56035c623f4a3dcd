"""The digests by which a manifest that is posted again is recognised. Pure."""

from __future__ import annotations

import hashlib
import json

from chalicelib.manifest.options import Options


class Digests:
    """Over entries as they come, and at the end over the options, which may stand behind the entries."""

    def __init__(self) -> None:
        self._entries = hashlib.sha256()
        self._former = hashlib.sha256()
        self._former_root = ""

    def begin(self, root: str) -> None:
        """Before the first entry. `root`: as far as it is known."""
        self._former_root = root
        self._former.update(f"{root}\n".encode())

    def add(self, *fields: str) -> None:
        # No field can contain a NUL or a line feed, so different manifests are different text.
        line = ("\0".join(fields) + "\n").encode()
        self._entries.update(line)
        self._former.update(line)

    def current(self, options: Options) -> str:
        head = json.dumps([options.root, options.names, options.sums])
        return hashlib.sha256(f"{head}\n{self._entries.hexdigest()}".encode()).hexdigest()

    def former(self, options: Options) -> str:
        """As the release before computed it; "" if it had no such option, or the root came too late."""
        known = options.root == self._former_root and not options.names and not options.sums
        return self._former.hexdigest() if known else ""
