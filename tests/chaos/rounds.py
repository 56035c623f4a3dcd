"""One round: carts are posted while faults befall the system; when they are over, everything must come right."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.chaos import carts, checks, steps
from tests.chaos.carts import Client, Wish
from tests.chaos.faults import Fault
from tests.chaos.faults_archive import ARCHIVE
from tests.chaos.faults_database import DATABASE
from tests.chaos.faults_network import SPLITS, Split
from tests.chaos.faults_process import PROCESS, DeathAtStep
from tests.chaos.faults_queue import QUEUE_FAULTS
from tests.chaos.faults_store import STORE
from tests.chaos.faults_volume import VOLUME_FAULTS
from tests.chaos.site import Site

BOUND = 75.0  # seconds from the end of all faults, in which every cart has to end
LASTS = (2.0, 4.0)  # seconds a fault goes on
MORE = (0, 0, 0, 0, 1, 1, 2)  # how many other faults come on top
LOOK_EVERY = 0.3

Make = Callable[[Site, random.Random], Fault]


@dataclass
class Outcome:
    number: int
    faults: list[str]
    carts: int
    seconds: float = 0.0
    healed: float = 0.0  # seconds from the end of the faults to the end of the last cart
    violations: list[str] = field(default_factory=list)


def catalogue(mounted: bool) -> dict[str, Make]:
    """Every fault there is, by name."""
    kinds: Sequence[type[Fault]] = (*PROCESS, *QUEUE_FAULTS, *STORE, *ARCHIVE, *DATABASE, *VOLUME_FAULTS)
    plain: dict[str, Make] = {kind.__name__: kind for kind in kinds if mounted or not kind.needs_mount}
    deaths = {f"DeathAtStep:{step}": partial(DeathAtStep, step=step) for step in (*steps.WORKER, *steps.API)}
    splits = {f"Split:{service}": partial(Split, service=service) for service in SPLITS}
    return plain | deaths | splits


class Rounds:
    """The order of faults follows from the seed alone; each comes once before any comes again."""

    def __init__(self, site: Site, seed: int, only: Sequence[str] = ()) -> None:
        self._site = site
        self._seed = seed
        self._all = catalogue(site.mounted)
        self._only = [name for name in self._all if not only or any(name.startswith(wanted) for wanted in only)]
        self._client = Client(site.url, BOUND)

    def names(self, number: int) -> list[str]:
        turn, place = divmod(number, len(self._only))
        order = random.Random(f"{self._seed} order {turn}").sample(self._only, len(self._only))
        rng = random.Random(f"{self._seed} {number} more")
        more = rng.sample([*self._all], rng.choice(MORE)) if len(self._only) > 1 else []
        return self._one_a_part([order[place], *more])

    def _one_a_part(self, names: Sequence[str]) -> list[str]:
        """Each part of the system can be broken in one way at a time; processes die as they like."""
        parts: dict[str, str] = {}
        for name in names:
            made = self._all[name]
            part = (made.func if isinstance(made, partial) else made).__module__
            parts.setdefault(name if part == DeathAtStep.__module__ else part, name)
        return list(parts.values())

    def run(self, number: int) -> Outcome:
        rng, label = random.Random(f"{self._seed} {number}"), f"s{self._seed}r{number}"
        faults = [self._all[name](self._site, rng) for name in self.names(number)]
        wishes = carts.plan(rng, label) + [wish for fault in faults for wish in fault.wishes(label)]
        for wish in wishes if any(fault.may_fail for fault in faults) else ():
            wish.ends = (*wish.ends, "error")
        for wish in wishes if any(fault.needs_hashes for fault in faults) else ():
            wish.hashed = wish.hashed or "ready" in wish.ends
        outcome = Outcome(number, [fault.name for fault in faults], len(wishes))
        began = time.monotonic()
        clients = self._break(faults, wishes, rng)
        over = time.monotonic()
        self._settle(clients, wishes, outcome)
        outcome.healed = time.monotonic() - over
        outcome.violations += [*checks.ended_well(self._site, wishes, self._client)]
        outcome.violations += [*checks.database(self._site), *checks.store(self._site)]
        self._tidy(wishes)
        outcome.seconds = time.monotonic() - began
        return outcome

    def finish(self) -> list[str]:
        """All carts deleted and cleaned up: nothing may be left of them anywhere."""
        for (uid,) in self._site.database.rows("SELECT uid FROM carts WHERE live = 1"):
            self._client.delete(uid)
        deadline = time.monotonic() + BOUND + 60
        while time.monotonic() < deadline:
            # Disk and catalogue are reconciled folder by folder over minutes: here one run follows the other.
            self._site.database.rows("UPDATE volume SET reconciled_at = 0")
            if not [*checks.nothing_left(self._site)]:
                break
            self._site.wait(0.5)
        return [problem for problem in checks.nothing_left(self._site) if "'reconcile'" not in problem]

    def _break(self, faults: Sequence[Fault], wishes: Sequence[Wish], rng: random.Random) -> list[threading.Thread]:
        clients = [threading.Thread(target=self._client.live, args=[wish], daemon=True) for wish in wishes]
        for fault in faults:
            if isinstance(fault, DeathAtStep):
                fault.begin()  # armed before the first step is taken
        for client in clients:
            client.start()
        for fault in faults:
            if not isinstance(fault, DeathAtStep):
                fault.begin()
        end = time.monotonic() + rng.uniform(*LASTS)
        while time.monotonic() < end:
            for fault in faults:
                fault.tick()
            self._site.wait(0.1)
        for fault in sorted(faults, key=lambda fault: fault.ends_last):
            fault.end()
        return clients

    def _settle(self, clients: Sequence[threading.Thread], wishes: Sequence[Wish], outcome: Outcome) -> None:
        deadline = time.monotonic() + BOUND
        while time.monotonic() < deadline:
            if not any(client.is_alive() for client in clients) and not checks.unended(self._site, wishes):
                return
            self._site.wait(LOOK_EVERY)
        late = checks.unended(self._site, wishes)
        outcome.violations.append(f"not ended within {BOUND:.0f} s: {', '.join(late)}")

    def _tidy(self, wishes: Sequence[Wish]) -> None:
        """Most carts go: their clean-up has to go well in the rounds that follow."""
        for wish in wishes[:-1]:
            self._client.delete(wish.uid)
