"""The fault suite: breaks the real system in every way it knows and checks that no cart is lost.

Each round posts carts (small ones, carts that share files, one of several parts, some deleted or replaced while the
system works on them, some that must fail), injects one to three faults for a few seconds, and then waits until every
cart is finished. It checks that each cart ended in an expected state, that every bundle is byte for byte the one its
manifest describes, that the space account is exact, that the store holds no stray object, and that no uid has two live
carts. At the end it deletes all carts and checks that nothing of them is left in the store, on the volume or in the
database.

The faults of a round depend only on --seed and the round's number; what they hit depends on the machine's timing.
Disk faults need permission to mount a tmpfs; without it they are skipped.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.report import line, table
from tests.chaos.rounds import Outcome, Rounds, fault_factories
from tests.chaos.site import QUEUES, Site


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.default_int_handler)  # a shell starts background jobs with SIGINT ignored
    if options.list:
        print("\n".join(sorted(fault_factories(mounted=True))))
        return 0
    site = Site(Path(options.home or tempfile.mkdtemp(prefix="chaos-")), settings=QUEUES[options.queue])
    outcomes: list[Outcome] = []
    leftovers: list[str] = []
    try:
        leftovers = _run(Rounds(site, options.seed, options.only or ()), options, outcomes)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    finally:
        site.close()
    print(table(outcomes, leftovers, options.seed))
    failed = bool(leftovers) or any(outcome.violations for outcome in outcomes) or not outcomes
    if failed:
        print(f"logs: {site.home.log}")
    return int(failed)


def _run(rounds: Rounds, options: argparse.Namespace, outcomes: list[Outcome]) -> list[str]:
    """Run the rounds and add their outcomes to `outcomes`; returns what is left after the last one."""
    deadline = time.monotonic() + options.minutes * 60
    for number in range(options.first, options.first + options.rounds):
        outcomes.append(rounds.run(number))
        print(line(outcomes[-1]), flush=True)
        if time.monotonic() > deadline or (outcomes[-1].violations and options.stop):
            break
    return rounds.finish()


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__, formatter_class=raw)
    parser.add_argument("--rounds", type=int, default=60, help="number of rounds (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="seed for the choice of faults (default 1)")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="start no round after this many minutes (default 60)"
    )
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first round; use it to repeat one (default 0)"
    )
    parser.add_argument("--only", action="append", metavar="FAULT", help="only faults with this prefix; repeatable")
    parser.add_argument("--queue", choices=[*QUEUES], default="sqs", help="the site's job queue (default sqs)")
    parser.add_argument("--stop", action="store_true", help="stop at the first violation")
    parser.add_argument("--list", action="store_true", help="list all faults and exit")
    parser.add_argument(
        "--home", metavar="DIR", help="folder for state and logs, emptied first (default: a new temporary one)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
