"""The tables as the migrations create them. Times are seconds since the epoch (UTC), sizes are bytes.

The models are bound to no database: each query names the one it runs on.
"""

from __future__ import annotations

from typing import Any

import peewee as pw


class Table(pw.Model):
    class Meta:
        legacy_table_names = False


class Carts(Table):
    id = pw.BigAutoField()
    owner = pw.CharField(max_length=255, default="")
    uid = pw.CharField(max_length=255)
    #: 1 for the one live cart of an owner and uid, NULL for deleted and replaced ones
    live = pw.SmallIntegerField(null=True, default=1)
    state = pw.CharField(max_length=16, default="waiting")
    message = pw.CharField(max_length=1024, default="")
    root = pw.CharField(max_length=255)
    #: sha256 of the canonical manifest, to recognise the same manifest posted again
    digest = pw.CharField(max_length=64)
    #: 1 when the manifest was uploaded to the store, so that the digest is not that of its content
    uploaded = pw.SmallIntegerField(default=0)
    #: counts layouts; part of the bundle's key, so that a new layout never mixes with an old one's parts
    attempt = pw.IntegerField(default=1)
    upload_id = pw.CharField(max_length=1024, default="")
    part_size = pw.BigIntegerField(default=0)
    files_total = pw.IntegerField()
    files_staged = pw.IntegerField(default=0)
    bytes_total = pw.BigIntegerField(default=0)
    bytes_staged = pw.BigIntegerField(default=0)
    windows_total = pw.IntegerField(default=0)
    windows_staged = pw.IntegerField(default=0)
    windows_done = pw.IntegerField(default=0)
    bundle_size = pw.BigIntegerField(default=0)
    bundle_bytes = pw.BigIntegerField(default=0)
    bundle_etag = pw.CharField(max_length=128, default="")
    #: of the whole bundle: `crc64nvme=` and base64, as S3 writes it
    bundle_checksum = pw.CharField(max_length=64, default="")
    created_at = pw.DoubleField()
    staging_at = pw.DoubleField(null=True)
    bundling_at = pw.DoubleField(null=True)
    ended_at = pw.DoubleField(null=True)
    deleted_at = pw.DoubleField(null=True)
    expired_at = pw.DoubleField(null=True)
    used_at = pw.DoubleField()
    #: when the last URL that was handed out expires
    url_until = pw.DoubleField(default=0)

    class Meta:
        table_name = "carts"


class Entries(Table):
    cart_id = pw.BigIntegerField()
    position = pw.IntegerField()
    archive_id = pw.CharField(max_length=255)
    path = pw.CharField(max_length=4096)
    hash_name = pw.CharField(max_length=16)
    hash_hex = pw.CharField(max_length=128)
    new_dirs = pw.IntegerField()
    #: bytes and nanoseconds; None until the archive has answered, a number in every layout
    size: Any = pw.BigIntegerField(null=True)
    mtime_ns: Any = pw.BigIntegerField(null=True)
    on_tape = pw.SmallIntegerField(default=0)
    error = pw.CharField(max_length=255, default="")
    #: seconds this file has been failing while the archive was up, and when it last did
    failing_s = pw.DoubleField(default=0)
    failing_at = pw.DoubleField(null=True)

    class Meta:
        table_name = "entries"
        primary_key = pw.CompositeKey("cart_id", "position")


class Windows(Table):
    cart_id = pw.BigIntegerField()
    number = pw.IntegerField()
    first = pw.IntegerField()
    files = pw.IntegerField()
    #: length in the bundle, and the number of the first of its parts
    length = pw.BigIntegerField()
    first_part = pw.IntegerField()
    #: tape -> online -> taken -> reserved -> staged -> done; dropped when its cart failed or was deleted
    state = pw.CharField(max_length=16)
    #: CRC64NVME of its bytes in the bundle, once they are in the store
    checksum = pw.CharField(max_length=16, default="")
    #: how much of it its cart has counted as staged
    counted_files = pw.IntegerField(default=0)
    counted_bytes = pw.BigIntegerField(default=0)
    #: when it began to wait for space; the oldest waiting cart goes first
    waits_since = pw.DoubleField(null=True)

    class Meta:
        table_name = "windows"
        primary_key = pw.CompositeKey("cart_id", "number")


class Jobs(Table):
    id = pw.BigAutoField()
    cart_id = pw.BigIntegerField()
    kind = pw.CharField(max_length=16)
    window = pw.IntegerField(default=0)
    #: attempts since the last progress
    attempts = pw.IntegerField(default=0)
    #: how often the message was sent again since the last attempt; -1 for no message, as the previous release writes it
    sends = pw.IntegerField(default=0)
    #: 0 for a parked job, and for one whose message the queue did not take
    has_message = pw.SmallIntegerField(default=1)
    #: fences the writes of a worker that lost its lease
    token = pw.BigIntegerField(default=0)
    lease_until = pw.DoubleField(default=0)
    next_send_at = pw.DoubleField()
    progress_at = pw.DoubleField()
    #: of the last failed attempt; a deferred job has a `wait_reason` instead
    last_error = pw.CharField(max_length=1024, default="")
    wait_reason = pw.CharField(max_length=1024, default="")

    class Meta:
        table_name = "jobs"


class StagedFiles(Table):
    archive_id = pw.CharField(max_length=255, primary_key=True)
    #: of the file on the volume, derived from the archive id
    name = pw.CharField(max_length=64)
    #: pulling -> staged; a file that is neither has no row
    state = pw.CharField(max_length=16)
    #: the job that pulls it; void once that job's lease expires
    puller = pw.BigIntegerField(default=0)
    size = pw.BigIntegerField()
    mtime_ns = pw.BigIntegerField()
    #: all its known hashes: JSON, name -> hex
    hashes = pw.CharField(max_length=2048, default="{}")
    #: reserved windows that need it
    pins = pw.IntegerField(default=0)
    used_at = pw.DoubleField()

    class Meta:
        table_name = "staged_files"


class Volume(Table):
    """One row: the space account, in bytes as the file system counts them.

    `used` is the sum over all staged_files, `staged` over those that are on the volume.
    """

    id = pw.IntegerField(primary_key=True)
    used = pw.BigIntegerField()
    staged = pw.BigIntegerField(default=0)
    version = pw.BigIntegerField(default=0)
    #: when the sweep last added a reconcile job, and the first of the 256 directories for the next one
    reconciled_at = pw.DoubleField(default=0)
    reconciled_to = pw.IntegerField(default=0)

    class Meta:
        table_name = "volume"


class Recalls(Table):
    """Files recalled from tape and not yet seen online; a file not recalled yet is claimed for a minute."""

    archive_id = pw.CharField(max_length=255, primary_key=True)
    #: the job that recalls it; a row whose job is gone is void
    job_id = pw.BigIntegerField()
    requested_at = pw.DoubleField(null=True)
    claimed_until = pw.DoubleField()

    class Meta:
        table_name = "recalls"


class Shares(Table):
    """Files of a job that assistants may take: those from `next` to `stop` (exclusive) are still free."""

    cart_id = pw.BigIntegerField(primary_key=True)
    job_id = pw.BigIntegerField()
    next = pw.IntegerField()
    stop = pw.IntegerField()

    class Meta:
        table_name = "shares"


class SchemaVersions(Table):
    version = pw.IntegerField(primary_key=True)
    applied_at = pw.DoubleField()

    class Meta:
        table_name = "schema_versions"
