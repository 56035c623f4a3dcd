"""The composition root: builds from the settings everything that the API, the sweep and the workers share."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf

from chalicelib.auth.decision import Authenticator
from chalicelib.aws.clients import ClientTimeouts, aws_session
from chalicelib.cart_views import CartViews
from chalicelib.config.owner_limits import limit_book
from chalicelib.config.settings import Settings
from chalicelib.db.mysql import READ_TIMEOUT
from chalicelib.listing import CartListing
from chalicelib.policy.download_rights import AskingTimes, DownloadRights
from chalicelib.policy.posting_rights import PostingRights
from chalicelib.posting.cart_poster import CartPoster
from chalicelib.posting.new_cart import CartReplacer
from chalicelib.posting.post_limits import PostLimits
from chalicelib.posting.uploaded import Uploads
from chalicelib.refusals import Refusals
from chalicelib.service import CartService
from chalicelib.shared_carts import SharedCarts
from chalicelib.sharing import Sharing
from chalicelib.stores.access_tokens import AccessTokenStore
from chalicelib.stores.cached_switches import CachedSwitches
from chalicelib.stores.cart_lists import CartListStore
from chalicelib.stores.cart_rights import CartRightsStore
from chalicelib.stores.cart_waits import CartWaitStore
from chalicelib.stores.owner_usage import OwnerUsageStore
from chalicelib.stores.progress import ProgressStore
from chalicelib.stores.refusal_counts import RefusalCountStore
from chalicelib.sweep.policy import SWEEP_POLICY, SweepPolicy
from chalicelib.sweep.sweep import Sweep
from chalicelib.wiring_base import Base, base_of
from chalicelib.wiring_health import Health, health_of
from chalicelib.wiring_queue import database_queue_of, sqs_queues_of
from chalicelib.wiring_sweep import sweep_of

WORKER_TIMEOUTS = ClientTimeouts(connect=5, queue=25, store=60, tries=4)  # for long polls and large parts
API_TIMEOUTS = ClientTimeouts(
    connect=2, queue=4, store=8, tries=2
)  # a client is waiting; API Gateway times out after 29 s
API_READ_TIMEOUT = 15.0  # likewise; longer than MySQL waits for a lock


@dataclass(frozen=True)
class System(Base):
    service: CartService
    sharing: Sharing
    shared_carts: SharedCarts
    listing: CartListing
    post_limits: PostLimits
    authenticator: Authenticator
    refusals: Refusals
    sweep: Sweep
    health: Health


def build(
    settings: Settings,
    timeouts: ClientTimeouts = WORKER_TIMEOUTS,
    sweep_policy: SweepPolicy = SWEEP_POLICY,
    process: str = "api",
    read_timeout: float = READ_TIMEOUT,
) -> System:
    """Build the clients and stores; none of them connects yet.

    `process`: the name of this process. `read_timeout`: seconds to wait for the database's next bytes.
    """
    session = aws_session()
    sqs = sqs_queues_of(settings, session, timeouts)
    queue = sqs.jobs if sqs else database_queue_of(settings)
    base = base_of(settings, session, timeouts, queue, process, read_timeout)
    database, audit = base.database, base.audit
    progress, waits = ProgressStore(database), CartWaitStore(database, settings.lease, None if sqs else inf)
    views = CartViews(database, base.carts, progress, waits, base.bundles, _download_rights(base), audit, time.time)
    post_limits = PostLimits(OwnerUsageStore(database), limit_book(settings), time.time)
    return System(
        **vars(base),
        service=_service(base, views, post_limits),
        post_limits=post_limits,
        sharing=Sharing(database, base.carts, base.shares, audit, settings.share_links),
        shared_carts=_shared_carts(base, views),
        listing=CartListing(CartListStore(database)),
        authenticator=Authenticator(settings, AccessTokenStore(database)),
        refusals=Refusals(audit, RefusalCountStore(database), database.close),
        sweep=sweep_of(base, sqs, sweep_policy),
        health=health_of(settings, session),
    )


def _download_rights(base: Base) -> DownloadRights:
    rights, groups = CartRightsStore(base.database), OwnerUsageStore(base.database)
    times = AskingTimes(base.settings.policy_ttl)
    return DownloadRights(base.policy, base.database, rights, base.entries, base.jobs, groups, base.queue, times)


def _shared_carts(base: Base, views: CartViews) -> SharedCarts:
    settings = base.settings
    return SharedCarts(base.carts, base.shares, views, links=settings.share_links, url_life=settings.share_url_life)


def _service(base: Base, views: CartViews, post_limits: PostLimits) -> CartService:
    uploads = Uploads(base.database, base.uploads, base.manifests, base.audit, base.limits)
    replacer = CartReplacer(base.database, base.carts, base.jobs, base.endings, base.audit)
    switches = CachedSwitches(base.database)
    return CartService(
        database=base.database,
        carts=base.carts,
        endings=base.endings,
        queue=base.queue,
        bundles=base.bundles,
        poster=CartPoster(
            base.carts,
            base.entries,
            uploads,
            replacer,
            PostingRights(base.policy),
            base.limits,
            post_limits,
            base.notify,
            switches,
        ),
        views=views,
        audit=base.audit,
        traces=base.traces,
    )
