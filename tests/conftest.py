"""For all tests: how long an example of hypothesis takes tells how busy the machine is, and nothing of the code."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["tests.servers"]

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
