"""Checks the chain of seals: compares each with the records that it covers, and with the seal before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from chalicelib.stores.audit_chain import NO_SEAL, AuditRow, Seal, SealDigest

SHOWN = 100  # problems listed; the others are counted


@dataclass
class ChainCheck:
    """What was checked. `known`: whether the hash that the operator kept is still in the chain, None without one."""

    seals: int = 0
    records: int = 0
    oldest: Seal | None = None
    newest: Seal | None = None
    known: bool | None = None
    problem_count: int = 0
    problems: list[str] = field(default_factory=list)

    def report(self, problem: str) -> None:
        self.problem_count += 1
        if len(self.problems) < SHOWN:
            self.problems.append(problem)


def check_chain(seals: Iterable[Seal], sealed: Iterable[tuple[int, AuditRow]], known: str | None = None) -> ChainCheck:
    """Check every seal. Both are read once, in the order of their ids: a chain of any length fits into memory."""
    done = ChainCheck(known=None if known is None else False)
    records = _Records(sealed)
    before: Seal | None = None
    for seal in seals:
        for number, lost in records.until(seal.id):
            done.report(_without_seal(number, lost))
        _check_place(done, before, seal)
        _check_records(done, seal, records.of(seal.id, seal.previous))
        done.known = done.known or known in (seal.hash, seal.previous) if known else done.known
        before = seal
        done.seals += 1
        done.oldest = done.oldest or seal
    for number, lost in records.until(None):
        done.report(_without_seal(number, lost))
    done.newest = before
    if done.known is False:
        done.report(
            f"no seal has the hash {known} that you kept: the chain was cut off or rewritten, or that seal is gone"
        )
    return done


def _check_place(done: ChainCheck, before: Seal | None, seal: Seal) -> None:
    if before is None:
        if (seal.id == 1) != (seal.previous == NO_SEAL):
            done.report(f"seal {seal.id}, the oldest, does not fit its place: a first seal continues no other")
        return
    if seal.id != before.id + 1:
        done.report(f"seals are missing between {before.id} and {seal.id}")
    elif seal.previous != before.hash:
        done.report(f"seal {seal.id} does not continue seal {before.id}: one of them was changed")


def _check_records(done: ChainCheck, seal: Seal, digest: SealDigest) -> None:
    done.records += digest.records
    if digest.records < seal.records:
        done.report(f"seal {seal.id}: {seal.records - digest.records} of its {seal.records} records are missing")
    elif digest.records > seal.records:
        done.report(f"seal {seal.id}: {digest.records - seal.records} records were added to its {seal.records}")
    elif _hash(digest, seal) != seal.hash or (digest.first_id, digest.last_id) != (
        seal.first_id,
        seal.last_id,
    ):
        done.report(f"seal {seal.id}: it or its records {seal.first_id} to {seal.last_id} were changed")


def _hash(digest: SealDigest, seal: Seal) -> str | None:
    """None for what only tampering makes, such as a time that is no number: nothing has such a hash."""
    try:
        return digest.hexdigest(seal.id, seal.sealed_at)
    except (ArithmeticError, TypeError, ValueError):
        return None


def _without_seal(seal_id: int, records: int) -> str:
    return f"seal {seal_id} is missing, but {records} of its records are there"


class _Records:
    """Sealed records, taken seal by seal."""

    def __init__(self, sealed: Iterable[tuple[int, AuditRow]]) -> None:
        self._left = iter(sealed)
        self._next = next(self._left, None)

    def of(self, seal_id: int, previous: str) -> SealDigest:
        """Take the records of the seal that is next."""
        digest = SealDigest(previous)
        while self._next is not None and self._next[0] == seal_id:
            with suppress(ArithmeticError, TypeError, ValueError):  # counted, and not hashed: only tampering makes that
                digest.add(self._next[1])
            self._next = next(self._left, None)
        return digest

    def until(self, seal_id: int | None) -> Iterator[tuple[int, int]]:
        """Take the records before a seal, or all that are left: their seals, and how many each has."""
        while self._next is not None and (seal_id is None or self._next[0] < seal_id):
            number = self._next[0]
            yield number, self.of(number, NO_SEAL).records
