"""The output of the suite: one line per round, and a table of all faults at the end."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.rounds import Outcome


def line(outcome: Outcome) -> str:
    verdict = "ok" if not outcome.violations else "VIOLATED"
    times = f"{outcome.seconds:5.1f} s  recovered in {outcome.recovery:5.1f} s"
    head = f"round {outcome.number:4}  {times}  {outcome.carts} carts  {verdict:8}  {' + '.join(outcome.faults)}"
    return "\n".join([head, *(f"      {violation}" for violation in outcome.violations)])


def table(outcomes: Sequence[Outcome], leftovers: Sequence[str], seed: int) -> str:
    """For each fault: its rounds, the longest recovery after it, and the rounds with violations."""
    lines = [f"\n{'fault':42} {'rounds':>6} {'longest':>8} {'violated':>8}"]
    for name in sorted({name for outcome in outcomes for name in outcome.faults}):
        rounds = [outcome for outcome in outcomes if name in outcome.faults]
        longest, bad = max(o.recovery for o in rounds), sum(bool(o.violations) for o in rounds)
        lines.append(f"{name:42} {len(rounds):6} {longest:6.1f} s {bad:8}")
    carts, bad = sum(o.carts for o in outcomes), sum(bool(o.violations) for o in outcomes)
    lines += [f"left at the end: {problem}" for problem in leftovers]
    lines.append(
        f"seed {seed}: {len(outcomes)} rounds, {carts} carts, {bad} rounds with violations, {len(leftovers)} left"
    )
    return "\n".join(lines)
