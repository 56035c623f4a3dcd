"""After a restore: the bucket and the volume are compared with the database, and ready carts without a bundle expire.

Clients of an expired cart are told so, and to post it again. `python3 -m infra.compose.after_restore` may be run again.
"""

from __future__ import annotations

import os
from functools import partial

from chalicelib.admin.operator import Operator
from chalicelib.operating.reconcile import Differences
from chalicelib.wiring import API_TIMEOUTS, System, build
from chalicelib.wiring_operating import operating_of


def main() -> None:
    operator = Operator(os.environ)
    system = build(operator.settings, API_TIMEOUTS, process="operator")
    reconcile = operating_of(system).reconcile
    found = reconcile.find(lambda _: None)
    reconcile.repair(operator.caller(), found)
    expired = expire_without_bundle(system, found)
    print(f"{len(found.unowned)} objects of no cart are deleted; {expired} ready carts without a bundle have expired")


def expire_without_bundle(system: System, found: Differences) -> int:
    """How many carts expired. Their clean-up is a job that the sweep sends."""
    endings = [partial(system.endings.expire, cart.id) for cart in found.missing]
    return sum(bool(system.database.transaction(expire)) for expire in endings)


if __name__ == "__main__":
    main()
