"""The tables as the migrations create them. Times are seconds since the epoch (UTC), sizes are bytes.

The models are bound to no database: each query names the one it runs on.
"""

from __future__ import annotations

from typing import Any

import peewee as pw


class Table(pw.Model):
    """A table is called like its model: `StagedFiles` is `staged_files`."""

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
    #: options of the manifest: `portable` names or any; a checksum file to generate, `sha256`, or none
    names = pw.CharField(max_length=16, default="")
    sums = pw.CharField(max_length=16, default="")
    #: what its client should know, in words: a JSON list, None for nothing
    warnings: Any = pw.TextField(null=True)
    #: when its entries and windows were deleted, and its bundle for the last time
    cleared_at = pw.DoubleField(null=True)
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
    #: two marks of recent progress, each a time and the bytes staged and bundled until then, and when progress was last
    #: counted; cart_progress.marks_of_progress depends on their order
    earlier_at = pw.DoubleField(null=True)
    earlier_bytes = pw.BigIntegerField(default=0)
    later_bytes = pw.BigIntegerField(default=0)
    later_at = pw.DoubleField(null=True)
    counted_at = pw.DoubleField(null=True)
    #: 1 while it counts in its owner's usage, with so many entries and bytes of its bundle
    charged = pw.SmallIntegerField(default=0)
    charged_entries = pw.BigIntegerField(default=0)
    charged_bytes = pw.BigIntegerField(default=0)
    #: when the policy last allowed all its files, when a worker was last told to ask, and what it refused
    allowed_at = pw.DoubleField(null=True)
    policy_asked_at = pw.DoubleField(null=True)
    policy_refusal = pw.CharField(max_length=1024, default="")
    #: the id of the request that posted it, which all log lines and requests of its work carry
    request = pw.CharField(max_length=64, default="")
    #: whom to tell of its end: JSON, None for nobody
    notify: Any = pw.TextField(null=True)


class Uploads(Table):
    """One row for each URL handed out for a manifest too large for a request body."""

    id = pw.BigAutoField()
    owner = pw.CharField(max_length=255, default="")
    uid = pw.CharField(max_length=255)
    #: random; names the upload to its client, and its object in the store
    token = pw.CharField(max_length=64)
    created_at = pw.DoubleField()
    #: when its URL expires: afterwards nothing can be written to its object
    url_until = pw.DoubleField()
    #: of the content that a cart was made from
    etag = pw.CharField(max_length=128, default="")
    #: the cart made from it; 0 for none
    cart_id = pw.BigIntegerField(default=0)
    #: when it was read, refused or discarded; it cannot be bound any more
    closed_at = pw.DoubleField(null=True)
    #: 1 while it counts in its owner's usage
    charged = pw.SmallIntegerField(default=0)


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
    #: why it is being retried
    failing_reason = pw.CharField(max_length=255, default="")

    class Meta:
        primary_key = pw.CompositeKey("cart_id", "position")


class Windows(Table):
    cart_id = pw.BigIntegerField()
    number = pw.IntegerField()
    first = pw.IntegerField()
    files = pw.IntegerField()
    #: length in the bundle, and the number of the first of its parts
    length = pw.BigIntegerField()
    first_part = pw.IntegerField()
    #: tape -> online -> taken -> reserved -> staged -> done, or held -> staged -> done; dropped when its cart failed or
    #: was deleted
    state = pw.CharField(max_length=16)
    #: CRC64NVME of its bytes in the bundle, once they are in the store
    checksum = pw.CharField(max_length=16, default="")
    #: how much of it its cart has counted as staged
    counted_files = pw.IntegerField(default=0)
    counted_bytes = pw.BigIntegerField(default=0)
    #: bytes of it in the store so far, as far as they are counted in its cart's `bundle_bytes`
    uploaded_bytes = pw.BigIntegerField(default=0)
    #: bytes on the volume of files that are still being pulled, as far as its cart has counted them as staged
    pulling_bytes = pw.BigIntegerField(default=0)
    #: the files counted, one bit each in hexadecimal, the first file lowest; void when all of them are counted
    counted_map: Any = pw.TextField(null=True)
    #: the checksums of its files for the cart's checksum file, in hexadecimal and in order, once it is done; and the
    #: bytes of their lines there
    sums: Any = pw.TextField(null=True)
    sums_length = pw.BigIntegerField(default=0)
    #: when it began to wait for space; the oldest waiting cart goes first
    waits_since = pw.DoubleField(null=True)
    #: bytes of all its files, recorded when it waits; None as the previous release writes it
    waits_for: Any = pw.BigIntegerField(null=True)
    #: bytes it took while an older cart waited for space; 0 if none did
    passed_bytes = pw.BigIntegerField(default=0)
    #: bytes of it that count in its owner's usage
    charged_bytes = pw.BigIntegerField(default=0)

    class Meta:
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
    #: when workers may claim it, and whether it stands in line since; the end of the lease while it is held
    due_at = pw.DoubleField(default=0)
    ready = pw.SmallIntegerField(default=1)
    #: the line it waits in: its cart's owner, or that of the housekeeping
    line = pw.CharField(max_length=255, default="")
    #: 1 for the work of a small cart
    small = pw.SmallIntegerField(default=0)
    progress_at = pw.DoubleField()
    #: of the last failed attempt; a deferred job has a `wait_reason` instead
    last_error = pw.CharField(max_length=1024, default="")
    wait_reason = pw.CharField(max_length=1024, default="")
    #: since when it waits, and for what, in one word, void if it does not wait. The time is declared, and so assigned,
    #: first: on MySQL, whose assignments read what those before them wrote, it depends on the old word.
    waits_since = pw.DoubleField(null=True)
    waits_for = pw.CharField(max_length=16, default="")
    #: of its cart's row
    request = pw.CharField(max_length=64, default="")


class SchemaVersions(Table):
    version = pw.IntegerField(primary_key=True)
    applied_at = pw.DoubleField()
