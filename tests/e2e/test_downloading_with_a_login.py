"""docs/access.md's lines download a bundle with a token, and the token never reaches the store."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.e2e.cart_client import SEED, untar
from tests.e2e.local_system import ROOT, LocalSystem, eventually
from tests.e2e.login import Login, make_login
from tests.e2e.strict_store import StrictStore, strict_store
from tests.programs import need

CHAPTER = (ROOT / "docs" / "access.md").read_text().partition("## Downloading with a login\n")[2].partition("\n## ")[0]
LINES = [line for block in re.findall(r"^```\n(.*?)^```$", CHAPTER, re.M | re.S) for line in block.splitlines()]
UID = "mycart"


@dataclass(frozen=True)
class Site:
    """A system with logins whose store is on the host that clients call it by."""

    system: LocalSystem
    store: StrictStore
    login: Login

    def script(self, *programs: str) -> str:
        """The page's lines up to those of the last program, for this system."""
        need(*programs)
        last = max(number for number, line in enumerate(LINES) if programs[-1] in line)
        wanted = [line for line in LINES[: last + 1] if not _others(line, programs)]
        return "\n".join(wanted).replace("127.0.0.1:8081", f"127.0.0.1:{self.system.port}")

    def run(self, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
        environ = os.environ | {"CART_TOKEN": self.login.token, "HOME": str(folder)}
        return subprocess.run(
            ["sh", "-eu", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, timeout=60
        )


@pytest.fixture(scope="module", params=["127.0.0.1", "localhost"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The store on another port of the API's host, and on another host."""
    folder = tmp_path_factory.mktemp("login")
    with strict_store(folder / "home") as store:
        public = f"http://{request.param}:{store.port}/"
        system = LocalSystem(folder / "home", AUTH="token", BUNDLE_PUBLIC_ENDPOINT=public).start()
        try:
            login = make_login(system)
            posted = requests.post(f"{system.url}{UID}", json={"fileids": SEED}, auth=login.basic, timeout=30)
            assert posted.status_code == 201, posted.text
            assert eventually(
                lambda: requests.head(f"{system.url}{UID}", auth=login.basic, timeout=30).status_code == 204, within=40
            )
            yield Site(system, store, login)
        finally:
            system.stop()


@pytest.mark.parametrize("programs", [("curl",), ("curl", "wget"), ("curl", "aria2c")], ids=" ".join)
def test_the_pages_lines_download_the_bundle_and_keep_the_token(
    site: Site, tmp_path: Path, programs: tuple[str, ...]
) -> None:
    before = len(site.store.served)
    done = site.run(site.script(*programs), tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(untar((tmp_path / "mycart.tar").read_bytes(), UID)) == {entry["path"] for entry in SEED}
    assert site.store.logins == []
    assert len(site.store.served) > before
    assert site.login.token not in " ".join(shlex.split(site.script(*programs))), "not in any command line"


@pytest.mark.parametrize("how", ["-H", "-u", "--oauth2-bearer"])
def test_curl_leaves_a_token_out_of_the_redirected_request_however_it_is_given(
    site: Site, tmp_path: Path, how: str
) -> None:
    need("curl")
    given = {"-H": "Authorization: Bearer $CART_TOKEN", "-u": "me:$CART_TOKEN", "--oauth2-bearer": "$CART_TOKEN"}[how]
    done = site.run(f'curl -fsSL {how} "{given}" -o a.tar {site.system.url}{UID}', tmp_path)
    assert done.returncode == 0, done.stderr
    assert untar((tmp_path / "a.tar").read_bytes(), UID)
    assert site.store.logins == []


@pytest.mark.parametrize("how", ["basic", "bearer"])
def test_requests_leaves_it_out_too(site: Site, how: str) -> None:
    options = {"auth": site.login.basic} if how == "basic" else {"headers": {"Authorization": site.login.bearer}}
    answer = requests.get(f"{site.system.url}{UID}", timeout=30, **options)
    assert answer.status_code == 200
    assert len(answer.history) == 1
    assert untar(answer.content, UID)
    assert site.store.logins == []


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("wget", 'wget -q -O a.tar --header "Authorization: Bearer $CART_TOKEN"'),
        ("aria2c", 'aria2c -q -o a.tar --max-tries=1 --header "Authorization: Bearer $CART_TOKEN"'),
        ("curl", 'curl -fsS --location-trusted -o a.tar -u "me:$CART_TOKEN"'),
        (
            "curl",
            'echo "machine 127.0.0.1 login me password $CART_TOKEN" > n; curl -fsSL --netrc-file n -o a.tar',
        ),
    ],
)
def test_what_the_page_warns_of_fails_at_a_store_like_s3(site: Site, tmp_path: Path, program: str, line: str) -> None:
    """If a program learns to leave the header out, the page can say so."""
    need(program)
    done = site.run(f"{line} {site.system.url}{UID}", tmp_path)
    assert (done.returncode != 0) == bool(site.store.logins)
    assert set(site.store.logins) <= {site.login.bearer, requests.auth._basic_auth_str(*site.login.basic)}
    site.store.logins.clear()


def test_the_demo_logs_in_with_the_token_and_keeps_it_from_the_store(site: Site, tmp_path: Path) -> None:
    demo = site.system.launch("demo", tmp_path / "demo.txt", CART_TOKEN=site.login.token)
    assert demo.wait(60) == 0, (tmp_path / "demo.txt").read_text()
    assert site.login.token not in (tmp_path / "demo.txt").read_text()
    assert site.store.logins == []


def _others(line: str, programs: tuple[str, ...]) -> bool:
    """Whether the line is of a program that is not asked for; curl's own download is, beside another program."""
    others = {"curl", "wget", "aria2c"} - {*programs, "curl"}
    return any(other in line for other in others) or (len(programs) > 1 and line.startswith("curl -fL"))
