"""Which hosts and which pages may call the service, in every spelling that a client can send."""

from __future__ import annotations

import pytest

from chalicelib.api.browser import SECURITY_HEADERS, Asked, BrowserRules, MisdirectedRequest, asked_by
from chalicelib.config.settings import load
from chalicelib.errors import BadRequest, NotAllowed

PORTAL = "https://portal.example.org"
NO_RULES = BrowserRules()
NAMED = BrowserRules(hosts=("cart.example.org", "192.0.2.7", "2001:db8::7"))
LOOPBACK, ANY_ADDRESS = "127.0.0.1", "0.0.0.0"


def host(value: str | None, rules: BrowserRules = NO_RULES, server: str = LOOPBACK, client: str = LOOPBACK) -> None:
    rules.check(Asked("GET", {} if value is None else {"host": value}, server, client))


def changing(rules: BrowserRules = NO_RULES, method: str = "POST", **headers: str) -> None:
    given = {"host": "cart.example.org:8081"} | {name.replace("_", "-"): value for name, value in headers.items()}
    rules.check(Asked(method, given, ANY_ADDRESS, "192.0.2.1"))


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "LocalHost:8081",
        "localhost.",
        "localhost:",
        "127.0.0.1:9",
        "127.8.9.1",
        "[::1]",
        "[::1]:8081",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "cart.localhost:8081",
        " localhost ",
    ],
)
def test_a_loopback_server_answers_to_loopback_names(name: str) -> None:
    host(name)
    host(name, server="::1")
    host(name, server="localhost")


@pytest.mark.parametrize(
    "name",
    [
        "evil.example",
        "evil.example:8081",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.evil.example",
        "192.168.0.1",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "[::2]",
        "xn--lcalhost-l4a",
    ],
)
def test_a_loopback_server_refuses_the_names_that_a_page_can_point_at_it(name: str) -> None:
    with pytest.raises(MisdirectedRequest, match="ALLOWED_HOSTS"):
        host(name)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        " ",
        ":8081",
        "a, localhost",
        "localhost,localhost",
        "localhost/",
        "user@localhost",
        "localhost:80:80",
        "localhost:port",
        "::1",
        "[::1",
        "[::1]x",
        "[localhost]",
        "lócalhost",
        "localhost\t.x",
        "localhost..",
        "a..b",
        "localhost:123456",
        "http://localhost/",
        "[fe80::1%25eth0]",
        "a" * 254,
    ],
)
def test_a_host_that_is_missing_doubled_or_malformed_is_a_bad_request(name: str | None) -> None:
    with pytest.raises(BadRequest, match="Host header"):
        host(name)
    with pytest.raises(BadRequest, match="Host header"):
        host(name, NAMED, ANY_ADDRESS)


@pytest.mark.parametrize("server", [ANY_ADDRESS, "::", "192.0.2.7", "", "cart.example.org", "unix:/run/cart.sock"])
def test_elsewhere_every_host_is_answered_until_allowed_hosts_is_set(server: str) -> None:
    for name in ("evil.example", "cart.example.org", None, "a, b"):
        host(name, server=server)
    with pytest.raises(MisdirectedRequest):
        host("evil.example", NAMED, server)


@pytest.mark.parametrize(
    "name", ["cart.example.org", "CART.example.org.", "cart.example.org:443", "192.0.2.7:8081", "[2001:DB8:0::7]:80"]
)
def test_the_names_of_allowed_hosts_are_answered_in_every_spelling(name: str) -> None:
    for server in (LOOPBACK, ANY_ADDRESS, ""):
        host(name, NAMED, server, "198.51.100.1")


def test_with_allowed_hosts_loopback_names_are_for_this_machines_own_clients() -> None:
    host("127.0.0.1:8081", NAMED, ANY_ADDRESS, "127.0.0.1")
    host("localhost", NAMED, ANY_ADDRESS, "::ffff:127.0.0.1")
    for client in ("192.0.2.1", ""):
        with pytest.raises(MisdirectedRequest):
            host("127.0.0.1:8081", NAMED, ANY_ADDRESS, client)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "post", "PROPFIND", ""])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://cart.example.org",
        "http://cart.example.org:8082",
        "file://",
        "https://cart.example.org.evil.example:8081",
        "http://cart.example.org:8081, http://x",
        "http://a@cart.example.org:8081",
        "cart.example.org:8081",
        "http://",
        "http://[cart.example.org]:8081",
        "ftp://cart.example.org:8081",
    ],
)
def test_what_changes_something_is_refused_to_a_page_of_another_origin(method: str, origin: str) -> None:
    with pytest.raises(NotAllowed, match="ALLOWED_ORIGINS"):
        changing(method=method, origin=origin)


@pytest.mark.parametrize("origin", ["http://cart.example.org:8081", "https://CART.example.org:8081"])
def test_a_page_of_the_service_itself_may_change_things_also_behind_a_proxy_that_ends_tls(origin: str) -> None:
    changing(origin=origin)
    changing(origin=origin, sec_fetch_site="same-origin")


def test_the_ports_of_the_schemes_need_not_be_written() -> None:
    changing(host="cart.example.org", origin="https://cart.example.org")
    changing(host="cart.example.org:443", origin="https://cart.example.org")
    changing(host="cart.example.org", origin="http://cart.example.org:80")
    with pytest.raises(NotAllowed):
        changing(host="cart.example.org:443", origin="http://cart.example.org")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "anything else", ""])
def test_a_browser_that_names_another_site_is_refused_even_without_an_origin(site: str) -> None:
    with pytest.raises(NotAllowed):
        changing(sec_fetch_site=site)
    with pytest.raises(NotAllowed):
        changing(sec_fetch_site=site, origin="http://cart.example.org:8081")


def test_clients_that_are_no_browsers_may_change_things() -> None:
    changing()
    changing(sec_fetch_site="none")


@pytest.mark.parametrize("written", [PORTAL, "https://Portal.Example.org:443", f"https://other.example, {PORTAL}"])
def test_a_page_of_an_allowed_origin_may_change_things(written: str) -> None:
    rules = BrowserRules(load({"ALLOWED_ORIGINS": written}).allowed_origins)
    changing(rules, origin=PORTAL, sec_fetch_site="cross-site")
    for foreign in ("http://portal.example.org", f"{PORTAL}:8443", f"{PORTAL}.evil.example", "null"):
        with pytest.raises(NotAllowed):
            changing(rules, origin=foreign)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_is_answered_to_every_page(method: str) -> None:
    changing(method=method, origin="https://evil.example", sec_fetch_site="cross-site")


def test_only_an_allowed_origin_gets_cors_headers() -> None:
    rules = BrowserRules(origins=(PORTAL,))
    given = rules.headers(Asked("GET", {"origin": PORTAL}), {"Vary": "Accept"})
    assert given["Access-Control-Allow-Origin"] == PORTAL
    assert {"Location", "Retry-After", "X-Pacifica-Status"} <= set(given["Access-Control-Expose-Headers"].split(", "))
    assert given["Vary"] == "Accept, Origin"
    for origin in ("https://evil.example", "null", ""):
        foreign = rules.headers(Asked("GET", {"origin": origin}), {})
        assert foreign == {**SECURITY_HEADERS, "Vary": "Origin"}
    assert BrowserRules().headers(Asked("GET", {"origin": PORTAL}), {}) == SECURITY_HEADERS


def test_a_preflight_tells_an_allowed_origin_the_methods_and_headers() -> None:
    rules, asks = BrowserRules(origins=(PORTAL,)), {"access-control-request-method": "DELETE"}
    given = rules.headers(Asked("OPTIONS", {"origin": PORTAL, **asks}), {"Allow": "DELETE, GET"})
    assert given["Access-Control-Allow-Methods"] == "DELETE, GET"
    assert "Authorization" in given["Access-Control-Allow-Headers"].split(", ")
    assert "*" not in "".join(value for name, value in given.items() if name.startswith("Access-Control"))
    assert "Access-Control-Allow-Credentials" not in given
    assert not [
        name
        for name in rules.headers(Asked("OPTIONS", {"origin": "https://evil.example", **asks}), {})
        if "Access" in name
    ]
    assert "Access-Control-Allow-Methods" not in rules.headers(Asked("OPTIONS", {"origin": PORTAL}), {"Allow": "GET"})


@pytest.mark.parametrize("name", ["Cache-Control", "cache-control"])
def test_a_routes_own_header_is_kept_and_is_the_only_one(name: str) -> None:
    sent = BrowserRules().headers(Asked("GET", {}), {name: "max-age=5"})
    assert [value for given, value in sent.items() if given.lower() == "cache-control"] == ["max-age=5"]


def test_the_server_of_an_event_is_known_but_for_api_gateway() -> None:
    assert asked_by({"requestContext": {"server": "0.0.0.0"}}).server == "0.0.0.0"
    assert asked_by({"requestContext": {}}).server == "127.0.0.1", "of chalice local"
    assert asked_by({"requestContext": {"stage": "api"}}).server == ""
    odd: list[object] = [
        None,
        [],
        {"headers": 5, "requestContext": {"identity": 7}},
        {"headers": {"Host": None, "a": []}},
    ]
    for event in odd:
        assert asked_by(event).headers == {}
