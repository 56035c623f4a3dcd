"""Makes a login for a system with AUTH=token, in a process that has the system's environment."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from tests.e2e.local_system import ROOT, LocalSystem

MAKE = """
import os
from chalicelib.caller import Scope
from chalicelib.config.settings import load
from chalicelib.db.database import Database
from chalicelib.stores.access_tokens import AccessTokenStore
scopes = {Scope.READ, Scope.WRITE}
print(AccessTokenStore(Database(load(os.environ))).add(os.environ["OWNER"], scopes, (), None, "a test")[1])
"""


@dataclass(frozen=True)
class Login:
    token: str

    @property
    def bearer(self) -> str:
        return f"Bearer {self.token}"

    @property
    def basic(self) -> tuple[str, str]:
        """As `requests` takes it: any user, and the token as password."""
        return ("me", self.token)


def make_login(system: LocalSystem, owner: str = "ada") -> Login:
    environ = {"SQLITE_PATH": str(system.home / "cart.db"), "OWNER": owner}
    done = subprocess.run(
        [sys.executable, "-c", MAKE], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    return Login(done.stdout.strip())
