"""After a restore: bucket and volume are compared with the database, and ready carts without a bundle expire.

Clients of an expired cart are told so, and to post it again. One that was downloaded within the hour is deleted
instead. `python3 -m infra.compose.after_restore` may be run again.
"""

from __future__ import annotations

import os
from functools import partial

from chalicelib.admin.operator import Operator
from chalicelib.job_message import JobMessage
from chalicelib.operating.reconcile import Differences
from chalicelib.wiring import API_TIMEOUTS, System, build
from chalicelib.wiring_operating import operating_of


def main() -> None:
    operator = Operator(os.environ)
    system = build(operator.settings, API_TIMEOUTS, process="operator")
    reconcile = operating_of(system).reconcile
    found = reconcile.find(lambda _: None)
    reconcile.repair(operator.caller(), found)
    ended = end_without_bundle(system, found)
    print(f"{len(found.unowned)} objects of no cart are deleted; {ended} ready carts without a bundle have ended")


def end_without_bundle(system: System, found: Differences) -> int:
    """How many carts ended. Their clean-up is a job that the sweep sends."""
    endings = [partial(_end, system, cart.id) for cart in found.missing]
    return sum(bool(system.database.transaction(end)) for end in endings)


def _end(system: System, cart_id: int) -> list[JobMessage]:
    """A cart to which a valid URL was handed out cannot expire; it is deleted."""
    return system.endings.expire(cart_id) or system.endings.retire(cart_id)


if __name__ == "__main__":
    main()
