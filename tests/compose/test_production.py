"""The running site of compose.production.yml: a cart over HTTPS, what answers from outside, backup and restore."""

from __future__ import annotations

import json
import re
import time
import uuid

import pytest

from infra.local.archive import SAMPLES
from tests.compose.site import CART, STORE, Site

SERVICES = ("proxy", "api", "workers", "sweep", "operator", "database", "store")
REFUSED_BY_STORE = "SignatureDoesNotMatch"
MANIFEST = json.dumps({"fileids": [{"id": name, "path": name} for name in SAMPLES]})
REACHES = """import socket, sys
for host in sys.argv[1:]:
    try: socket.create_connection((host, 3306 if host == "database" else 80), 3)
    except ConnectionRefusedError: print(host)
    except OSError: pass
    else: print(host)
"""


class Owner:
    """A client with a token of its own."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.token = site.operate("pacifica-cartd-cmd", "tokens", "add", "--owner", "ana").strip()

    def curl(self, path: str, *options: str) -> str:
        return self._site.curl(f"https://{CART}/{path}", "--oauth2-bearer", self.token, *options)

    def ready(self, uid: str) -> str:
        """POST a cart, wait until it is ready, and return its download URL."""
        assert "has begun" in self.curl(uid, "-d", MANIFEST)
        deadline = time.monotonic() + 90
        while not (url := self.curl(uid, "-o", "/dev/null", "-w", "%{redirect_url}")):
            assert time.monotonic() < deadline, self.curl(f"{uid}/status")
            time.sleep(0.5)
        return url


@pytest.fixture(scope="module")
def owner(site: Site) -> Owner:
    return Owner(site)


def test_a_cart_over_https(site: Site, owner: Owner) -> None:
    url = owner.ready(uid := str(uuid.uuid4()))
    assert url.startswith(f"https://{STORE}/")
    bundle = owner.curl(uid, "-fL")
    assert all(content in bundle for content in SAMPLES.values())


def test_workers_are_woken_by_the_api(site: Site, owner: Owner) -> None:
    pipes = site.engine.podman("exec", *site.engine.containers("api"), "ls", "/run/wake")
    assert pipes.strip(), "the API sees no worker's pipe"
    assert "the jobs table" in site.operate("pacifica-cartd-cmd", "queue")


def test_the_store_answers_only_signed_urls_and_is_given_no_login(site: Site, owner: Owner) -> None:
    url = owner.ready(str(uuid.uuid4()))
    signed = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    assert site.status(url) == "200"
    assert site.status(url, "-H", f"Authorization: {signed}") == "200"  # S3 refuses two ways to log in
    assert REFUSED_BY_STORE in site.curl(url[:-3] + "000")
    assert REFUSED_BY_STORE in site.curl(re.sub(r"/carts/\d+/", "/carts/99/", url))
    assert REFUSED_BY_STORE in site.curl(url, "-X", "PUT", "-d", "x")
    assert site.status(url, "-X", "DELETE") == "403"
    for path in ("", "pacifica-cart-bundles/?list-type=2", url.partition("?")[0].partition(f"{STORE}/")[2]):
        assert site.curl(f"https://{STORE}/{path}") == "Only signed URLs are answered here."


def test_the_api_answers_to_its_own_name_and_to_logins_only(site: Site) -> None:
    assert site.status(f"https://{CART}/some-cart") == "401"
    assert site.status(f"https://{CART}/-/metrics") == "401"
    for host in ("evil.example.test", "127.0.0.1", "localhost", "api"):
        assert site.status(f"https://{CART}/", "-H", f"Host: {host}") == "421"
    assert site.status(f"https://{STORE}/", "-H", f"Host: {CART}") == "200"  # the proxy goes by Host alone
    redirected = site.curl(f"http://{CART}/some-cart", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}")
    assert redirected == f"308 https://{CART}/some-cart"
    assert site.status(f"http://{CART}/", "-H", "Host: evil.example.test") == "421"  # no open redirect
    assert "max-age=" in site.curl(f"https://{CART}/", "-D", "-", "-o", "/dev/null")


def test_only_the_proxy_publishes_ports_and_reaches_no_data(site: Site) -> None:
    ports = {service: site.engine.podman("port", *site.engine.containers(service)) for service in SERVICES}
    assert [service for service, published in ports.items() if published.strip()] == ["proxy"]
    (store,) = site.engine.containers("store")
    assert site.engine.podman("exec", store, "python3", "-c", REACHES, "database", "1.1.1.1") == ""
    (sweep,) = site.engine.containers("sweep")
    assert site.engine.podman("exec", sweep, "python3", "-c", REACHES, "database", "1.1.1.1").split() == ["database"]
    (proxy,) = site.engine.containers("proxy")
    for host in ("database", "workers", "operator"):
        failed = f"wget -q -T 3 -t 1 -O /dev/null http://{host}:3306/; echo $?"
        assert site.engine.podman("exec", proxy, "sh", "-c", failed).strip() != "0"
        assert site.engine.podman("exec", proxy, "sh", "-c", f"getent hosts {host} || echo none").strip() == "none"


def test_containers_have_no_privileges_and_no_secrets_in_their_description(site: Site) -> None:
    secrets = [path.read_text().split()[-1] for path in (site.folder / "site" / "secrets").iterdir()]
    for service in SERVICES:
        (name,) = site.engine.containers(service)
        site.engine.podman("healthcheck", "run", name)
        description = site.engine.podman("inspect", name)
        (container,) = json.loads(description)
        assert container["HostConfig"]["ReadonlyRootfs"], service
        assert container["HostConfig"]["Memory"] > 0, service
        assert container["HostConfig"]["PidsLimit"] > 0, service
        assert container["EffectiveCaps"] in (None, []), service
        assert int(site.engine.podman("exec", name, "id", "-u")) > 0, service
        assert not [secret for secret in secrets if secret in description], service


def test_the_log_of_the_proxy_has_no_addresses(site: Site) -> None:
    (api,), (proxy,) = site.engine.containers("api"), site.engine.containers("proxy")
    site.engine.podman("pause", api)
    try:
        site.curl(f"https://{CART}/-/shared/TokenOfAShare?x=TokenOfAShare", "-m", "3")
    finally:
        site.engine.podman("unpause", api)
    assert "TokenOfAShare" not in site.engine.log(proxy)


def test_a_backup_restored_into_an_empty_site_serves_the_same_bundles(site: Site, owner: Owner) -> None:
    owner.ready("kept")
    before = owner.curl("kept", "-fL")
    folder = site.script("backup.sh", BUNDLES="1").strip()
    later = site.script("backup.sh").strip()

    site.replace()
    site.script("restore.sh", FROM=folder)
    deadline = time.monotonic() + 60
    while site.status(f"https://{CART}/-/readyz") != "200":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert owner.curl("kept", "-fL") == before

    site.replace()  # and now without the bundles
    site.script("restore.sh", FROM=later)
    while site.status(f"https://{CART}/-/readyz") != "200":
        time.sleep(0.5)
    assert owner.curl("kept", "-o", "/dev/null", "-w", "%{http_code}") == "404"
    owner.ready("kept")
    assert owner.curl("kept", "-fL") == before
