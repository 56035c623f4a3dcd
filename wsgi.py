"""The API under any WSGI server, such as `gunicorn 'wsgi:application()'`. Under Granian it is asgi.py."""

from __future__ import annotations

import os

from app import app
from chalicelib.api.browser import browser_rules
from chalicelib.api.gateway import Gateway
from chalicelib.api.server_address import LoopbackOnly
from chalicelib.api.startup import checked_settings
from chalicelib.api.wsgi_adapter import Application


def application() -> Application:
    """Check the settings and migrate the tables before the first request is served."""
    settings = checked_settings(os.environ)
    loopback = LoopbackOnly(settings)
    return Application(Gateway(app, app.routes), settings.max_body, loopback.refused, browser_rules(settings))
