"""The lock files: every requirement is in its lock, every pin has hashes, and all locks agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
LOCKS = sorted((ROOT / "locks").glob("*.lock"))
PIN = re.compile(r"^([\w.-]+)==([^\s;]+)(.*?)$((?:\n    --hash=.*)*)", re.MULTILINE)
HASH = re.compile(r"^--hash=sha256:[0-9a-f]{64}$")
#: Locked alone, because they are installed into environments of their own.
APART = {"archive", "compose", "lock"}


def pins(lock: Path) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version, _, _ in PIN.findall(lock.read_text())}


def recipes() -> dict[str, list[str]]:
    """The requirements files of every lock, as `make lock` reads them."""
    text = MAKEFILE.replace("$(PRODUCT)", re.findall(r"^PRODUCT := (.+)$", MAKEFILE, re.MULTILINE)[0])
    called = re.findall(r"\$\(call lock,(\w+),([^)]*)\)", text)
    return {name: [word for word in words.split() if word.endswith(".txt")] for name, words in called}


def requirements(file: Path) -> list[Requirement]:
    lines = [line.partition(" #")[0].strip() for line in file.read_text().splitlines()]
    included = [line.removeprefix("-r ") for line in lines if line.startswith("-r ")]
    own = [Requirement(line) for line in lines if line and line[0] not in "#-"]
    return own + [found for name in included for found in requirements(file.parent / name)]


def test_make_lock_writes_every_lock() -> None:
    assert {lock.stem for lock in LOCKS} == set(recipes())


@pytest.mark.parametrize("name", sorted(recipes()))
def test_a_lock_has_what_its_requirements_ask_for(name: str) -> None:
    locked = pins(ROOT / "locks" / f"{name}.lock")
    wanted = [found for file in recipes()[name] for found in requirements(ROOT / file)]
    assert wanted
    unmet = [str(one) for one in wanted if not one.specifier.contains(locked.get(canonicalize_name(one.name), "0"))]
    assert not unmet, "run make lock"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_locked_package_has_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "-index" not in text
    found = PIN.findall(text)
    assert all(hashes and all(map(HASH.match, hashes.replace("\\", "").split())) for *_, hashes in found)
    rest = PIN.sub("", text)
    assert [line for line in rest.splitlines() if line.strip() and not line.startswith("#")] == []


def test_the_locks_agree_on_every_version() -> None:
    dev = pins(ROOT / "locks" / "dev.lock") | pins(ROOT / "locks" / "store.lock")
    others = [lock for lock in LOCKS if lock.stem not in APART]
    assert {lock.stem: set(pins(lock).items()) - set(dev.items()) for lock in others} == {
        lock.stem: set() for lock in others
    }
