"""`pacifica-cartd-cmd`: an operator's database commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from chalicelib.config import logs
from chalicelib.config.settings import load
from chalicelib.db import schema
from chalicelib.db.database import Database
from chalicelib.errors import CartError


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="pacifica-cartd-cmd", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("dbsync", help="create the tables, or migrate them to this version").set_defaults(run=dbsync)
    commands.add_parser("dbchk", help="exit 1 if the tables are older than this code").set_defaults(run=dbchk)
    options = parser.parse_args(arguments)
    try:
        settings = load(os.environ)
        logs.configure(settings.log_level)
        print(options.run(Database(settings)))
    except (CartError, OSError) as error:
        print(f"pacifica-cartd-cmd: {error}", file=sys.stderr)
        return 1
    return 0


def dbsync(database: Database) -> str:
    done = schema.sync(database)
    return f"applied {len(done)} migrations; the tables are at version {schema.applied(database)}"


def dbchk(database: Database) -> str:
    schema.check(database)
    return f"the tables are at version {schema.applied(database)}, which this code can use"


if __name__ == "__main__":
    sys.exit(main())
