"""Contract of the policies that ask: the site's service, and the file of groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.policy.asked_service import AskedService
from chalicelib.policy.everybody import Everybody
from chalicelib.policy.group_file import GroupFile
from chalicelib.policy.policy import BATCH, Policy, Reader
from tests.policy_server import policy_server

ANN, BOB = Reader("ann", ("staff",)), Reader("bob")


@pytest.fixture(params=["service", "file"])
def policy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Policy]:
    """Ann may read all files but `secret`; Bob may not read `staff-1` either."""
    if request.param == "file":
        lines = ["group,kind,value", "*,file,f*", "staff,file,staff-1"]
        path = tmp_path / "groups.csv"
        path.write_text("\n".join(lines))
        yield GroupFile(str(path))
        return
    with policy_server() as server:
        server.refused, server.refused_to = {"secret"}, {"bob": {"staff-1"}}
        yield AskedService(server.url)


def test_only_what_a_reader_may_not_read_is_refused(policy: Policy) -> None:
    assert set(policy.refused(ANN, ["f1", "secret", "staff-1", "f2"])) == {"secret"}
    assert set(policy.refused(BOB, ["f1", "secret", "staff-1", "f2"])) == {"secret", "staff-1"}


def test_who_may_read_everything_is_refused_nothing(policy: Policy) -> None:
    assert not policy.refused(BOB, ["f1", "f2"])


def test_a_thousand_ids_are_asked_about_at_once(policy: Policy) -> None:
    names = [f"f{number}" for number in range(BATCH - 1)]
    assert set(policy.refused(ANN, [*names, "secret"])) == {"secret"}


def test_an_id_in_any_script_is_asked_about_as_it_is(policy: Policy) -> None:
    assert set(policy.refused(ANN, ['fä "\\/', "f\U0001f600" * 100])) == set()


def test_without_a_policy_nothing_is_refused() -> None:
    assert not Everybody().asks
    assert not Everybody().refused(BOB, ["secret"])
