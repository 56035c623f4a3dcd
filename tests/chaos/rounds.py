"""One round: clients post carts while faults disturb the system; when the faults are over, all must recover."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.chaos import checks, steps
from tests.chaos.clients import Client, Scenario, round_scenarios
from tests.chaos.faults import TICKS_PER_SECOND, Fault
from tests.chaos.faults_archive import ARCHIVE_FAULTS
from tests.chaos.faults_database import DATABASE_FAULTS
from tests.chaos.faults_network import SPLITS, Split
from tests.chaos.faults_operator import OPERATOR_FAULTS
from tests.chaos.faults_process import PROCESS_FAULTS, DeathAtStep
from tests.chaos.faults_queue import QUEUE_FAULTS
from tests.chaos.faults_store import STORE_FAULTS
from tests.chaos.faults_volume import VOLUME_FAULTS
from tests.chaos.site import Site

RECOVERY_LIMIT = 75.0  # seconds after the faults within which every cart must be finished
CLEANUP_LIMIT = RECOVERY_LIMIT + 60
FAULT_SECONDS = (2.0, 4.0)
EXTRA_FAULTS = (0, 0, 0, 0, 1, 1, 2)  # number of further faults; one is drawn for each round
POLL_INTERVAL = 0.3

FaultFactory = Callable[[Site, random.Random], Fault]


@dataclass
class Outcome:
    number: int
    faults: list[str]
    carts: int
    seconds: float = 0.0
    recovery: float = 0.0  # seconds from the end of the faults until the last cart is finished
    violations: list[str] = field(default_factory=list)


def fault_factories(mounted: bool, sqs: bool = True) -> dict[str, FaultFactory]:
    """All faults by name. `mounted`: include those that need a volume mounted by the suite; `sqs`: those of SQS."""
    faults = (
        *PROCESS_FAULTS, *(QUEUE_FAULTS if sqs else ()), *STORE_FAULTS, *ARCHIVE_FAULTS, *DATABASE_FAULTS,
        *VOLUME_FAULTS, *OPERATOR_FAULTS,
    )  # fmt: skip
    plain: dict[str, FaultFactory] = {fault.__name__: fault for fault in faults if mounted or not fault.needs_mount}
    deaths = {f"DeathAtStep:{step}": partial(DeathAtStep, step=step) for step in (*steps.WORKER, *steps.API)}
    splits = {f"Split:{service}": partial(Split, service=service) for service in SPLITS if sqs or service != "queue"}
    return plain | deaths | splits


class Rounds:
    """Runs rounds. The seed alone sets the order of faults; each comes once before any comes again."""

    def __init__(self, site: Site, seed: int, only: Sequence[str] = ()) -> None:
        """`only`: prefixes of fault names; empty means all faults."""
        self._site = site
        self._seed = seed
        self._factories = fault_factories(site.mounted, site.has_sqs)
        self._names = [name for name in self._factories if not only or name.startswith(tuple(only))]
        self._client = Client(site.url, RECOVERY_LIMIT)

    def run(self, number: int) -> Outcome:
        rng, label = random.Random(f"{self._seed} {number}"), f"s{self._seed}r{number}"
        faults = [self._factories[name](self._site, rng) for name in self._fault_names(number)]
        scenarios = round_scenarios(rng, label) + [one for fault in faults for one in fault.scenarios(label)]
        _relax(scenarios, faults)
        outcome = Outcome(number, [fault.name for fault in faults], len(scenarios))
        start = time.monotonic()
        clients = self._run_faults(faults, scenarios, rng)
        faults_over = time.monotonic()
        self._await_carts(clients, scenarios, outcome)
        outcome.recovery = time.monotonic() - faults_over
        outcome.violations += [*checks.outcomes(self._site, scenarios, self._client)]
        outcome.violations += [*checks.database(self._site), *checks.store(self._site)]
        self._delete_most(scenarios)
        outcome.seconds = time.monotonic() - start
        return outcome

    def finish(self) -> list[str]:
        """Delete all carts and wait for their clean-up; returns what is left of them."""
        for (uid,) in self._site.database.query("SELECT uid FROM carts WHERE live = 1"):
            self._client.delete(uid)
        deadline = time.monotonic() + CLEANUP_LIMIT
        while time.monotonic() < deadline and [*checks.leftovers(self._site)]:
            self._site.make_reconcile_due()  # one run checks only some directories: ask for the next at once
            self._site.wait(0.5)
        return [problem for problem in checks.leftovers(self._site) if "'reconcile'" not in problem]

    def _fault_names(self, number: int) -> list[str]:
        cycle, position = divmod(number, len(self._names))
        order = random.Random(f"{self._seed} order {cycle}").sample(self._names, len(self._names))
        rng = random.Random(f"{self._seed} {number} more")
        extra = rng.sample([*self._factories], rng.choice(EXTRA_FAULTS)) if len(self._names) > 1 else []
        return self._one_per_component([order[position], *extra])

    def _one_per_component(self, names: Sequence[str]) -> list[str]:
        """A component can have one fault at a time; only faults of processes combine freely."""
        chosen: dict[str, str] = {}
        for name in names:
            factory = self._factories[name]
            component = (factory.func if isinstance(factory, partial) else factory).__module__
            chosen.setdefault(name if component == DeathAtStep.__module__ else component, name)
        return list(chosen.values())

    def _run_faults(
        self, faults: Sequence[Fault], scenarios: Sequence[Scenario], rng: random.Random
    ) -> list[threading.Thread]:
        """Start the clients and run the faults; returns the clients when the faults are over."""
        clients = [threading.Thread(target=self._client.run, args=[one], daemon=True) for one in scenarios]
        for fault in faults:
            if isinstance(fault, DeathAtStep):
                fault.begin()  # before a client's POST can take the first step
        for client in clients:
            client.start()
        for fault in faults:
            if not isinstance(fault, DeathAtStep):
                fault.begin()
        end = time.monotonic() + rng.uniform(*FAULT_SECONDS)
        while time.monotonic() < end:
            for fault in faults:
                fault.tick()
            self._site.wait(1 / TICKS_PER_SECOND)
        for fault in sorted(faults, key=lambda fault: fault.ends_last):
            fault.end()
        return clients

    def _await_carts(
        self, clients: Sequence[threading.Thread], scenarios: Sequence[Scenario], outcome: Outcome
    ) -> None:
        deadline = time.monotonic() + RECOVERY_LIMIT
        while time.monotonic() < deadline:
            if not any(client.is_alive() for client in clients) and not checks.unfinished(self._site, scenarios):
                return
            self._site.wait(POLL_INTERVAL)
        late = checks.unfinished(self._site, scenarios)
        outcome.violations.append(f"not finished within {RECOVERY_LIMIT:.0f} s: {', '.join(late)}")

    def _delete_most(self, scenarios: Sequence[Scenario]) -> None:
        """Delete all carts but the last, so that their clean-up runs during the faults of later rounds."""
        for scenario in scenarios[:-1]:
            self._client.delete(scenario.uid)


def _relax(scenarios: Sequence[Scenario], faults: Sequence[Fault]) -> None:
    """Adapt the scenarios to faults that the system cannot recover from, or cannot see without hashes."""
    for scenario in scenarios if any(fault.may_fail for fault in faults) else ():
        scenario.expected = (*scenario.expected, "error")
    for scenario in scenarios if any(fault.needs_hashes for fault in faults) else ():
        scenario.hashed = scenario.hashed or "ready" in scenario.expected
