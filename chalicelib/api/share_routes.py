"""The routes of shares: a cart's owner makes and ends them, and others read the cart at the address of a share."""

from __future__ import annotations

from collections.abc import Callable

from chalice.app import Request, Response

from chalicelib.api import list_responses, responses
from chalicelib.api.chalice_app import Api
from chalicelib.api.parameters import LONGEST_WAIT, file_page, number, query
from chalicelib.api.share_body import share_request
from chalicelib.caller import Caller, Scope
from chalicelib.shared_carts import SharedCarts
from chalicelib.sharing import Sharing

SHARED = "/-/shared/{token}"
#: The address is a secret: it must not get into a cache, nor into the Referer of a request to another site.
SECRET_ADDRESS: responses.Headers = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


class ShareRoutes:
    """`sharing` and `shared` are called at each request, because the app is built before its use cases."""

    def __init__(self, app: Api, sharing: Callable[[], Sharing], shared: Callable[[], SharedCarts]) -> None:
        self._app = app
        self._sharing = sharing
        self._shared = shared

    def register(self) -> None:
        app = self._app
        app.cart_route("/{uid}/shares", "POST", Scope.WRITE)(self.share)
        app.cart_route("/{uid}/shares", "GET", Scope.READ)(self.shares)
        app.cart_route("/{uid}/shares/{share}", "DELETE", Scope.WRITE)(self.unshare)
        app.open_route(SHARED, "HEAD")(self.head)
        app.open_route(SHARED, "GET")(self.download)
        app.open_route(f"{SHARED}/status", "GET")(self.status)
        app.open_route(f"{SHARED}/files", "GET")(self.files)
        app.middleware("http")(_keep_secret)

    def share(self, caller: Caller, uid: str) -> Response:
        wanted = share_request(self._app.body)
        return list_responses.shared(self._sharing().share(caller, uid, wanted))

    def shares(self, caller: Caller, uid: str) -> Response:
        return list_responses.shares(self._sharing().shares(caller, uid))

    def unshare(self, caller: Caller, uid: str, share: str) -> Response:
        self._sharing().unshare(caller, uid, _row(share))
        return responses.document(200, {"message": "Share Ended Successfully"})

    def head(self, caller: Caller, token: str) -> Response:
        number(self._app.request, "wait", 0, LONGEST_WAIT)
        cart, wait = self._shared().look(caller, token)
        self._app.may_wait_for(cart)
        return responses.state(cart, wait)

    def download(self, caller: Caller, token: str) -> Response:
        request = self._app.request
        number(request, "wait", 0, LONGEST_WAIT)
        cart, bundle = self._shared().download(caller, token, query(request, "filename"))
        self._app.may_wait_for(cart)
        return responses.download(cart, bundle, request.headers.get("accept", ""))

    def status(self, caller: Caller, token: str) -> Response:
        return responses.progress(self._shared().status(caller, token))

    def files(self, caller: Caller, token: str) -> Response:
        return responses.files(self._shared().files(caller, token, *file_page(self._app.request)))


def _row(share: str) -> int:
    """The share's row; 0, which no share has, for what is no number of one."""
    return int(share) if share.isascii() and share.isdigit() and len(share) <= 18 else 0


def _keep_secret(request: Request | None, get_response: Callable[[Request | None], Response]) -> Response:
    response = get_response(request)
    if request is not None and request.path.startswith(SHARED):
        response.headers = {**response.headers, **SECRET_ADDRESS}
    return response
