"""The real archive interface over CART_HOME/archive: its settings, the sample files, and the Python it runs in."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.local.home import Home, InTheWay
from infra.local.ports import LOOPBACK
from infra.local.process import ROOT

#: The files the README's example cart names.
SAMPLES = {
    "foo.txt": "The quick brown fox jumps over the lazy dog.\n",
    "bar.csv": "element,symbol,number\nhydrogen,H,1\nhelium,He,2\nlithium,Li,3\n",
    "baz.ini": "[instrument]\nname = spectrometer\nresolution = 0.01\n",
}
CHERRYPY = "[/]\nrequest.dispatch = cherrypy.dispatch.MethodDispatcher()\n"
#: Its back end keeps one open file for the whole process: with threads, answers get each other's bytes.
ONE_REQUEST_PER_PROCESS = ("-k", "sync", "-w", "4")


def prepare(home: Home) -> None:
    """Write what is missing; a sample file that was changed stays as it is."""
    (home.archive_config / "config.ini").write_text("[posix]\nuse_id2filename = false\n")
    (home.archive_config / "cherrypy.ini").write_text(CHERRYPY)
    for name, content in SAMPLES.items():
        if not (home.archive / name).exists():
            (home.archive / name).write_text(content)


def command(environ: Mapping[str, str], port: int) -> tuple[str, ...]:
    """Raises InTheWay when the archive interface is not installed."""
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
    """The Python that has it: ARCHIVE_PYTHON, its own virtual environment, or this one."""
    own = ROOT / ".venv" / "archive" / "bin" / "python"
    if chosen := environ.get("ARCHIVE_PYTHON"):
        if not os.access(chosen, os.X_OK):
            raise InTheWay(f"ARCHIVE_PYTHON must be the path of a Python (it is {chosen!r})")
        return chosen
    if os.access(own, os.X_OK):
        return str(own)
    if importlib.util.find_spec("pacifica") and importlib.util.find_spec("pacifica.archiveinterface"):
        return str(Path(sys.executable))
    raise InTheWay("the archive interface is not installed: `make install` does it, or set ARCHIVE_INTERFACE_URL")
