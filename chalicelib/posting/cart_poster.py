"""From a POST's body to the live cart of its uid: the body is the manifest, or says that the manifest was uploaded."""

from __future__ import annotations

from chalicelib.caller import Caller
from chalicelib.errors import IntakePaused
from chalicelib.manifest.upload_notice import UploadNotice, upload_notice
from chalicelib.policy.posting_rights import PostingRights
from chalicelib.posting.in_body import ManifestInBody
from chalicelib.posting.limits import ManifestLimits
from chalicelib.posting.new_cart import CartReplacer, Posted
from chalicelib.posting.notify_rights import NotifyRights
from chalicelib.posting.post_limits import PostLimits
from chalicelib.posting.uploaded import Uploads, UploadSlot, nothing_uploaded
from chalicelib.stores.cached_switches import CachedSwitches
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.manifest_row import is_of_upload
from chalicelib.stores.switches import Switch


class CartPoster:
    def __init__(
        self,
        carts: CartStore,
        entries: EntryStore,
        uploads: Uploads,
        replacer: CartReplacer,
        rights: PostingRights,
        limits: ManifestLimits,
        post_limits: PostLimits,
        notify: NotifyRights,
        switches: CachedSwitches,
    ) -> None:
        self._carts = carts
        self._entries = entries
        self._uploads = uploads
        self._replacer = replacer
        self._rights = rights
        self._limits = limits
        self._post_limits = post_limits
        self._notify = notify
        self._switches = switches

    def post(self, caller: Caller, uid: str, body: bytes) -> Posted:
        """Commit the cart of `body`, which may be gzipped; send the messages afterwards.

        Raises IntakePaused, TooManyRequests, InvalidManifest, BodyTooLarge, NotAllowed or PolicyUnavailable, and as
        CartReplacer.replace.
        """
        self._check_intake()
        self._post_limits.count(caller)
        notice = upload_notice(body)
        if notice is not None:
            return self._post_upload(caller, uid, notice)
        manifest = ManifestInBody(uid, body, self._entries, self._limits)
        asked = self._notify.asked(caller.owner, caller.mail, manifest.notify)
        self._rights.check(caller, manifest.row.files, manifest.archive_ids())
        return self._replacer.replace(caller, uid, manifest, asked)

    def upload_slot(self, caller: Caller, uid: str) -> UploadSlot:
        """A new upload, for a manifest that is posted afterwards. Raises as `post`, or LimitReached."""
        self._check_intake()
        self._post_limits.count(caller)
        return self._uploads.slot(caller, uid)

    def _check_intake(self) -> None:
        if pause := self._switches.paused(Switch.INTAKE):
            raise IntakePaused(pause.why)

    def _post_upload(self, caller: Caller, uid: str, notice: UploadNotice) -> Posted:
        manifest = self._uploads.find(caller.owner, uid, notice)
        if manifest is not None:
            asked = self._notify.asked(caller.owner, caller.mail, notice.options.notify, may_follow=True)
            return self._replacer.replace(caller, uid, manifest, asked)
        # For one release: the previous one has no rows of uploads, but its carts may be live.
        live = self._carts.live(caller.owner, uid)
        if live is None or live.ended_badly or not is_of_upload(live.digest):
            raise nothing_uploaded(uid)
        return Posted(self._carts.warnings(live.id))
