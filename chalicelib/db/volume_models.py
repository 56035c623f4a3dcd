"""The tables of the volume, as models.py has the others: what is staged, what is recalled, what assistants share."""

from __future__ import annotations

from typing import Any

import peewee as pw

from chalicelib.db.models import Table


class StagedFiles(Table):
    archive_id = pw.CharField(max_length=255, primary_key=True)
    #: of the file on the volume, derived from the archive id
    name = pw.CharField(max_length=64)
    #: pulling -> staged -> evicting; a file that is none of these has no row
    state = pw.CharField(max_length=16)
    #: the job that pulls or evicts it; void once that job's lease expires
    puller = pw.BigIntegerField(default=0)
    size = pw.BigIntegerField()
    mtime_ns = pw.BigIntegerField()
    #: all its known hashes: JSON, name -> hex
    hashes = pw.CharField(max_length=2048, default="{}")
    #: reserved windows that need it
    pins = pw.IntegerField(default=0)
    used_at = pw.DoubleField()


class Volume(Table):
    """One row: the space account, in bytes as the file system counts them.

    `used` is the sum over all staged_files, `staged` over those whose state is staged. `removed` is all that has ever
    left `staged`.
    """

    id = pw.IntegerField(primary_key=True)
    used = pw.BigIntegerField()
    staged = pw.BigIntegerField(default=0)
    removed = pw.BigIntegerField(default=0)
    version = pw.BigIntegerField(default=0)
    #: when the sweep last added a reconcile job, and the first of the 256 directories for the next one
    reconciled_at = pw.DoubleField(default=0)
    reconciled_to = pw.IntegerField(default=0)


class Recalls(Table):
    """Files recalled from tape and not yet seen online; a file not recalled yet is claimed for a minute.

    A file that was seen online, or that the archive does not deliver, is answered: its row is of no job, and stays
    until `claimed_until`, so that every cart that waits for the file finds the answer.
    """

    archive_id = pw.CharField(max_length=255, primary_key=True)
    #: the job that recalls it; a row whose job is gone is void; 0 for an answer
    job_id = pw.BigIntegerField()
    requested_at = pw.DoubleField(null=True)
    claimed_until = pw.DoubleField()
    #: in whose usage it counts
    owner = pw.CharField(max_length=255, default="")
    #: when the archive is asked about it next, None for never; how often it was asked; since when it is looked at
    next_look_at: Any = pw.DoubleField(null=True, default=0)
    looks = pw.IntegerField(default=0)
    claimed_at = pw.DoubleField(default=0)
    #: bytes and nanoseconds, as the archive last gave them; None in an answer without a file
    size: Any = pw.BigIntegerField(null=True)
    mtime_ns: Any = pw.BigIntegerField(null=True)
    #: as in Entries
    failing_s = pw.DoubleField(default=0)
    failing_at = pw.DoubleField(null=True)
    failing_reason = pw.CharField(max_length=255, default="")


class ArchiveLooks(Table):
    """One row: when files on tape may be looked at next, by whichever worker."""

    id = pw.IntegerField(primary_key=True)
    next_at = pw.DoubleField(default=0)


class Shares(Table):
    """Files of a job that assistants may take: those from `next` to `stop` (exclusive) are still free."""

    cart_id = pw.BigIntegerField(primary_key=True)
    job_id = pw.BigIntegerField()
    next = pw.IntegerField()
    stop = pw.IntegerField()
