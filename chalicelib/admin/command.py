"""The entry point of `pacifica-cartd-cmd`: all groups of commands, and the exit code of what they raise."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence

import click

from chalicelib.admin import (
    audit,
    cache,
    database,
    database_users,
    doctor,
    evicting,
    lists,
    mending,
    pausing,
    purging,
    queue,
    reconciling,
    repairing,
    show,
    status,
    tail,
    tokens,
)
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import FAILED, NAME, OK, tell
from chalicelib.errors import CartError

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    try:
        outcome = commands.main(arguments, prog_name=NAME, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:  # 2 for wrong usage
        error.show()
        return error.exit_code
    except click.Abort:
        return _failed("interrupted")
    except CartError as error:
        return _failed(error.message)
    except OSError as error:
        return _end_of_pipe() if error.errno == errno.EPIPE else _failed(str(error))
    except Exception as error:
        log.debug("the command failed", exc_info=True)
        return _failed(f"{type(error).__name__}: {error} (LOG_LEVEL=DEBUG shows where)")
    return outcome if isinstance(outcome, int) else OK


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.pass_context
def commands(context: click.Context) -> None:
    """Look after a Pacifica Data Cart.

    Commands use the database that the environment names, as the service does: MYSQL_HOST and the other MYSQL_
    variables, or SQLITE_PATH. They print which one on stderr, with all other messages; data goes to stdout.

    \b
    Exit codes:
      0  done
      1  failed: stderr says why
      2  the command line is wrong
      3  done, and the check found a problem
    """
    context.obj = Operator(os.environ)


#: Commands that modules of their own add to groups of others.
ADDED = (evicting.evict, repairing.redrive)

for _group in (
    database.dbsync,
    database.dbchk,
    database.dbrestored,
    database_users.dbusers,
    database_users.dbgrants,
    tokens.tokens,
    audit.audit,
    status.status,
    doctor.doctor,
    lists.list_,
    show.show_,
    tail.tail,
    lists.dump,
    queue.queue,
    cache.cache,
    mending.fixit,
    mending.retry,
    mending.fail,
    mending.delete,
    mending.release,
    purging.purge,
    queue.queue,
    cache.cache,
    repairing.sweep,
    reconciling.reconcile,
    pausing.pause,
    pausing.resume,
):
    commands.add_command(_group)


def _failed(message: str) -> int:
    tell(f"{NAME}: {message}")
    return FAILED


def _end_of_pipe() -> int:
    """The reader of our output, such as `head`, has closed it. Python would complain once more when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED
