"""The fault suite: breaks the real system in every way it knows, and checks that no cart is lost.

Each round posts carts (small ones, shared files, one of several parts, some deleted or replaced while they are made,
some that cannot be made), lets one to three faults befall the system for some seconds, and then waits until every cart
has ended. It checks that each ended as it should, that every bundle is byte for byte the one its manifest says, that
the space account is exact, that nothing lies in the store that should not, and that no uid has two carts. At the end
all carts are deleted, and nothing may be left of them in the store, on the volume or in the database.

The faults of a round follow from --seed and the round's number alone; what they meet depends on the machine's timing.
Disk faults need the right to mount a tmpfs, and are left out without it.
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
from tests.chaos.rounds import Outcome, Rounds, catalogue
from tests.chaos.site import Site


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.default_int_handler)  # SIGINT is ignored in a shell's background
    if given.list:
        print("\n".join(sorted(catalogue(mounted=True))))
        return 0
    folder = Path(given.home or tempfile.mkdtemp(prefix="chaos-"))
    site = Site(folder)
    outcomes: list[Outcome] = []
    left: list[str] = []
    try:
        rounds = Rounds(site, given.seed, given.only or ())
        end = time.monotonic() + given.minutes * 60
        for number in range(given.first, given.first + given.rounds):
            outcomes.append(rounds.run(number))
            print(line(outcomes[-1]), flush=True)
            if time.monotonic() > end or (outcomes[-1].violations and given.stop):
                break
        left = rounds.finish()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    finally:
        site.close()
    print(table(outcomes, left, given.seed))
    failed = bool(left) or any(outcome.violations for outcome in outcomes) or not outcomes
    if failed:
        print(f"the logs are in {site.home.log}")
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__, formatter_class=shape)
    parser.add_argument("--rounds", type=int, default=60, help="how many rounds (60)")
    parser.add_argument("--seed", type=int, default=1, help="what the faults are drawn from (1)")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no round after so many minutes (60)")
    parser.add_argument("--first", type=int, default=0, help="the first round's number, to repeat one of a seed")
    parser.add_argument("--only", action="append", metavar="FAULT", help="faults whose names begin so; may be repeated")
    parser.add_argument("--stop", action="store_true", help="stop at the first violation")
    parser.add_argument("--list", action="store_true", help="name all faults and end")
    parser.add_argument("--home", metavar="DIR", help="where state and logs go, emptied first (a new temporary folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
