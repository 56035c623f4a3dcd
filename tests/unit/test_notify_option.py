"""The option `notify` of a manifest, the URLs of webhooks, and what the Internet's addresses are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.auth import claims
from chalicelib.config.settings import Settings, load
from chalicelib.errors import SettingsError
from chalicelib.manifest.options import Options
from chalicelib.manifest.upload_notice import upload_notice
from chalicelib.notify.asked import Asked, Channel, Target, asked_of
from chalicelib.notify.webhook_url import is_public, webhook_url
from tests.manifests import outcome, read

ENTRY = {"id": 5, "path": "a"}
HOOK = "https://lab.example.org/hook"


def document(notify: Any, **more: Any) -> bytes:
    return json.dumps({"fileids": [ENTRY], "notify": notify, **more}).encode()


def lines(notify: Any) -> bytes:
    return f"{json.dumps({'notify': notify})}\n{json.dumps(ENTRY)}\n".encode()


def test_notify_is_in_no_digest() -> None:
    told, other, nobody = (read(body) for body in (document({"webhook": HOOK}), lines({"mail": True}), document(None)))
    assert told.digest == other.digest == nobody.digest
    assert told.former_digest == nobody.former_digest != ""


def test_notify_may_stand_in_the_post_that_binds_an_upload() -> None:
    notice = upload_notice(json.dumps({"manifest": "uploaded", "notify": {"mail": True, "webhook": HOOK}}).encode())
    assert notice is not None
    assert notice.options == Options(notify=json.dumps({"mail": True, "webhook": HOOK}))
    assert outcome(lines({"webhook": HOOK, "mail": True}), notice.options) == outcome(document(None))


@pytest.mark.parametrize(
    ("notify", "problems"),
    [
        (HOOK, ["notify: must be an object such as {\"webhook\": \"https://...\"}, not a string"]),
        ({"webhook": 1, "mail": "x"}, [
            "notify.webhook: must be a string, not a number",
            "notify.mail: must be true, for the address of your login, or one mail address"]),
        ({"hook": HOOK}, ["notify.hook: must be webhook or mail"]),
        ({"webhook": "https://a.example.org/é"}, ["notify.webhook: must be a URL of visible ASCII characters"]),
        ({"webhook": "https://a.example.org/\r\nX: y"}, ["notify.webhook: must be a URL of visible ASCII characters"]),
        ({"webhook": f"https://a.example.org/{'x' * 2000}"}, ["notify.webhook: is longer than 2000 characters"]),
        *(({"mail": address}, ["notify.mail: must be true, for the address of your login, or one mail address"])
          for address in ("a@b", "a@b.org, c@d.org", "a@b.org\nBcc: c@d.org", '"a b"@c.org', "<a@b.org>", "a@b..org",
                          "eve%c.org@b.org", "c.org!eve@b.org", "=?utf-8?q?eve=40c.org=2C?=@b.org")),
        ({"x" * 9999: 1}, [f"notify.{'x' * 60!r}...: must be webhook or mail"]),
    ],
)  # fmt: skip
def test_a_problem_is_named_by_its_place(notify: Any, problems: list[str]) -> None:
    assert outcome(document(notify)) == tuple(problems)


def test_two_different_ones_are_an_error_and_a_repeated_key_is_one() -> None:
    found = outcome(document({"mail": True}), Options(notify=json.dumps({"webhook": HOOK})))
    assert isinstance(found, tuple)
    assert "notify: is " in found[0]
    assert " in the POST and " in found[0]
    twice = b'{"fileids": [{"id": 5, "path": "a"}], "notify": {"mail": true, "mail": "a@b.org"}}'
    assert outcome(twice) == ("notify.mail: is there twice, with different values",)


def test_what_a_row_records_names_the_targets() -> None:
    both = Asked(json.dumps({"webhook": HOOK, "mail": True}), "ann@lab.example.org")
    assert asked_of(both.column()).targets() == [
        Target(Channel.WEBHOOK, HOOK),
        Target(Channel.MAIL, "ann@lab.example.org"),
    ]
    assert Asked("{}").column() is None
    assert asked_of(None).targets() == []


@pytest.mark.parametrize(
    "url", [HOOK, "https://lab.example.org:8443/?a=b", "https://LAB.example.org.", "http://box:81/"]
)
def test_a_url_that_may_be_called(url: str) -> None:
    checked = webhook_url(url.replace(":81/", ":8081/"), ["box"])
    assert checked.host in ("lab.example.org", "box")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://lab.example.org/", "must be a https URL"),
        ("ftp://lab.example.org/", "must be a https URL"),
        ("https:///x", "must be a https URL"),
        ("https://user@lab.example.org/", "must have no user name and no escapes before its path"),
        ("https://lab.example.org%2f@169.254.169.254/", "must have no user name and no escapes before its path"),
        ("https://lab.example.org\\@box/", "must have no backslash"),
        ("https://lab.example.org/#x", "must have no fragment"),
        ("https://lab.example.org:22/", "must have port 443, or one from 1024"),
        ("https://lab.example.org:99999/", "Port out of range 0-65535"),
        ("https://localhost/", "must have a whole host name, with its domain"),
        *(
            (f"https://{host}/", "must have a host name, not an address")
            for host in (
                "169.254.169.254",
                "2130706433",
                "0x7f.1",
                "0177.0.0.1",
                "127.1",
                "0x7f000001",
                "127.0.0.1.",
                "[::ffff:127.0.0.1]",
                "[fd00:ec2::254]",
                "[::1]",
                "8.8.8.8",
            )
        ),
    ],
)
def test_a_url_that_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$".replace("(", "[(]")):
        webhook_url(url, ["box"])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1",
        "100.100.100.200", "0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.0.192", "198.18.0.1", "168.63.129.16",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:8.8.8.8",
        "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8", "2001:db8::1", "100::1", "2606:4700::1111%eth0", "no address",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::8.8.8.8", "99.255.255.255"])
def test_an_address_that_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("claimed", "mail"),
    [
        ({"email": "ann@lab.example.org", "email_verified": True}, "ann@lab.example.org"),
        ({"email": "ann@lab.example.org"}, ""),
        ({"email": "ann@lab.example.org", "email_verified": "true"}, ""),
        ({"email": "ann@lab.example.org\nBcc: eve@example.org", "email_verified": True}, ""),
        ({"email": ["ann@lab.example.org"], "email_verified": True}, ""),
    ],
)
def test_only_a_verified_address_counts(claimed: dict[str, Any], mail: str) -> None:
    assert claims.login({"iss": "i", "sub": "s", **claimed}, Settings()).mail == mail


def test_what_a_worker_lacks_is_named_and_no_secret_is_shown() -> None:
    key = "whsk_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I="
    environ = {"VOLUME_PATH": "/v", "NOTIFY_SIGNING_KEY": key, "SMTP_URL": "smtp://u:pass@mail.example.org"}
    with pytest.raises(SettingsError) as raised:
        load(environ, worker=True)
    assert raised.value.problems == (
        "PUBLIC_URL: is needed by NOTIFY_SIGNING_KEY",
        "PUBLIC_URL: is needed by SMTP_URL",
        "NOTIFY_MAIL_FROM: is needed by SMTP_URL",
    )
    shown = repr(load(environ))
    assert key not in shown
    assert "pass" not in shown.replace("password", "")
    with pytest.raises(SettingsError) as raised:
        load({"NOTIFY_SIGNING_KEY": "whsk_c2VjcmV0", "SMTP_URL": "smtp://u:hidden@", "NOTIFY_TOPIC_ARN": "topic"})
    assert "c2VjcmV0" not in str(raised.value)
    assert "hidden" not in str(raised.value)
    assert len(raised.value.problems) == 3
