"""The API under a WSGI server: `gunicorn 'wsgi:application()'`."""

from __future__ import annotations

import os

from chalice.config import Config
from chalice.local import LocalGateway

from app import app, max_body
from chalicelib.api.wsgi_adapter import Application
from chalicelib.config import logs
from chalicelib.config.settings import load
from chalicelib.db import schema
from chalicelib.db.database import Database


def application() -> Application:
    """Check the settings and migrate the tables before the first request is served."""
    settings = load(os.environ)
    logs.configure(settings.log_level)
    database = Database(settings)
    schema.sync(database)
    database.close()
    gateway = LocalGateway(app, Config.create(chalice_app=app, project_dir=os.getcwd()))
    return Application(gateway, max_body())
