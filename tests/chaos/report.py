"""What the suite prints: a line for each round, and a table of all faults at the end."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.rounds import Outcome


def line(outcome: Outcome) -> str:
    verdict = "ok" if not outcome.violations else "VIOLATED"
    head = f"round {outcome.number:4}  {outcome.seconds:5.1f} s  healed {outcome.healed:5.1f} s  {outcome.carts} carts"
    what = " + ".join(outcome.faults)
    return "\n".join([f"{head}  {verdict:8}  {what}", *(f"      {problem}" for problem in outcome.violations)])


def table(outcomes: Sequence[Outcome], left: Sequence[str], seed: int) -> str:
    """How often each fault came, how long the longest cart took to end after it, and what was violated."""
    lines = [f"\n{'fault':42} {'rounds':>6} {'longest':>8} {'violated':>8}"]
    for name in sorted({name for outcome in outcomes for name in outcome.faults}):
        with_it = [outcome for outcome in outcomes if name in outcome.faults]
        longest, bad = max(o.healed for o in with_it), sum(bool(o.violations) for o in with_it)
        lines.append(f"{name:42} {len(with_it):6} {longest:6.1f} s {bad:8}")
    carts, bad = sum(o.carts for o in outcomes), sum(bool(o.violations) for o in outcomes)
    lines += [f"left behind at the end: {problem}" for problem in left]
    lines.append(f"seed {seed}: {len(outcomes)} rounds, {carts} carts, {bad} rounds with violations, {len(left)} left")
    return "\n".join(lines)
