"""Builds what operators do."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.operating.end_carts import EndCarts
from chalicelib.operating.evict import Evict
from chalicelib.operating.fix_carts import FixCarts
from chalicelib.operating.pausing import Pausing
from chalicelib.operating.purge import Purge
from chalicelib.operating.reconcile import Reconcile
from chalicelib.operating.redrive import Redrive
from chalicelib.operating.release_job import ReleaseJob
from chalicelib.stores.eviction_marks import EvictionMarks
from chalicelib.stores.named_carts import NamedCarts
from chalicelib.stores.object_owners import ObjectOwners
from chalicelib.stores.operated_jobs import OperatedJobStore
from chalicelib.stores.paused_carts import PausedCarts
from chalicelib.stores.space_account import SpaceAccountStore
from chalicelib.stores.switches import SwitchStore
from chalicelib.stores.unsent_jobs import UnsentJobStore
from chalicelib.stores.unused_carts import UnusedCartStore
from chalicelib.sweep.message_sender import MessageSender
from chalicelib.sweep.sweep import Sweep
from chalicelib.wiring import System


@dataclass(frozen=True)
class Operating:
    """The acts of an operator."""

    fix_carts: FixCarts
    end_carts: EndCarts
    release_job: ReleaseJob
    purge: Purge
    evict: Evict
    redrive: Redrive
    sweep: Sweep
    pausing: Pausing
    reconcile: Reconcile


def operating_of(s: System) -> Operating:
    database, lease = s.database, s.settings.lease
    sender = MessageSender(UnsentJobStore(database, lease), s.queue)
    named, operated = NamedCarts(database, s.carts), OperatedJobStore(database, lease)
    return Operating(
        FixCarts(database, s.carts, named, s.entries, s.jobs, operated, s.audit, sender),
        EndCarts(database, named, s.endings, s.service, s.audit, sender),
        ReleaseJob(database, s.carts, operated, s.audit, sender),
        Purge(database, UnusedCartStore(database), s.endings, s.carts.charges, s.audit, sender),
        Evict(database, EvictionMarks(database), s.jobs, s.audit, sender),
        Redrive(s.sweep.dead_letters, s.audit, sender),
        s.sweep,
        Pausing(database, SwitchStore(database), PausedCarts(database), operated, s.audit, sender),
        Reconcile(
            database,
            SpaceAccountStore(database),
            ObjectOwners(database),
            s.bucket,
            s.bundles,
            s.jobs,
            s.audit,
            sender,
        ),
    )
