"""The real archive interface over CART_HOME/archive: its configuration, the sample files and its Python."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.local.home import CannotStart, Home
from infra.local.ports import LOOPBACK
from infra.local.process import ROOT

#: The files of the README's example cart.
SAMPLES = {
    "foo.txt": "The quick brown fox jumps over the lazy dog.\n",
    "bar.csv": "element,symbol,number\nhydrogen,H,1\nhelium,He,2\nlithium,Li,3\n",
    "baz.ini": "[instrument]\nname = spectrometer\nresolution = 0.01\n",
}
CHERRYPY = "[/]\nrequest.dispatch = cherrypy.dispatch.MethodDispatcher()\n"
#: Its back end keeps one open file per process; with threads, responses would get each other's bytes.
ONE_REQUEST_PER_PROCESS = ("-k", "sync", "-w", "4")


def prepare(home: Home) -> None:
    """Write the configuration and the missing sample files; existing sample files are not overwritten."""
    (home.archive_config / "config.ini").write_text("[posix]\nuse_id2filename = false\n")
    (home.archive_config / "cherrypy.ini").write_text(CHERRYPY)
    for name, content in SAMPLES.items():
        if not (home.archive / name).exists():
            (home.archive / name).write_text(content)


def command(environ: Mapping[str, str], port: int) -> tuple[str, ...]:
    """The server's command line. Raises CannotStart if the archive interface is not installed."""
    server = ("-m", "gunicorn", "--no-control-socket", "-b", f"{LOOPBACK}:{port}")
    application = "pacifica.archiveinterface.wsgi:application"
    return (_python(environ), *server, *ONE_REQUEST_PER_PROCESS, application)


def environment(base: Mapping[str, str], home: Home) -> dict[str, str]:
    return dict(base) | {
        "PAI_BACKEND_TYPE": "posix",
        "PAI_PREFIX": str(home.archive),
        "ARCHIVEINTERFACE_CONFIG": str(home.archive_config / "config.ini"),
        "ARCHIVEINTERFACE_CPCONFIG": str(home.archive_config / "cherrypy.ini"),
    }


def _python(environ: Mapping[str, str]) -> str:
    """The Python with the archive interface: ARCHIVE_PYTHON, its own virtual environment, or this one."""
    own = ROOT / ".venv" / "archive" / "bin" / "python"
    if configured := environ.get("ARCHIVE_PYTHON"):
        if not os.access(configured, os.X_OK):
            raise CannotStart(f"ARCHIVE_PYTHON must be the path of a Python (it is {configured!r})")
        return configured
    if os.access(own, os.X_OK):
        return str(own)
    if importlib.util.find_spec("pacifica") and importlib.util.find_spec("pacifica.archiveinterface"):
        return str(Path(sys.executable))
    raise CannotStart("the archive interface is not installed: run `make install` or set ARCHIVE_INTERFACE_URL")
