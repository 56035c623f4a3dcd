"""For all tests: no deadline for hypothesis, a line for each kind of skip, which tests go to which worker of xdist."""

from __future__ import annotations

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

pytest_plugins = ["tests.servers", "tests.skips"]

# An example's time depends on how busy the machine is, so a deadline would say nothing about the code.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

#: Files whose tests share what is costly to make: fixtures of module or package scope, or the parsed code.
SHARED_FIXTURES = (
    "tests/contracts/test_bundle_store.py",
    "tests/integration/api/",
    "tests/integration/test_archive_contract.py",
    "tests/integration/test_credentials.py",
    "tests/integration/test_lambda.py",
    "tests/unit/test_admin_imports.py",
    "tests/unit/test_doc_references.py",
    "tests/unit/test_docs.py",
    "tests/unit/test_imports.py",
    "tests/unit/test_stores_own_their_tables.py",
)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """One worker for all of tests/e2e, one for each file above; any other test goes to whichever worker is free.

    By file (`--dist loadfile`), workers are idle at the end while one of them runs a long file. `--dist loadgroup`
    would do the same as this class, but xdist 3.8 ignores the groups under pytest 9.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.startswith("tests/e2e/"):
            return "tests/e2e"
        return path if path.startswith(SHARED_FIXTURES) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)
