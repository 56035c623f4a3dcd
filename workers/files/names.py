"""The names of files on the volume: of staged files, and of those that are being pulled.

A staged file is named by its archive id. A temporary file is named `JOB-TOKEN-DIGEST`, by the claim that writes it. A
partial file, which outlives its claim, also says what it is part of: `JOB-TOKEN-DIGEST.SIZE.MTIME`.
"""

from __future__ import annotations

import hashlib

from chalicelib.job_message import Claim
from workers.files.file_spec import FileSpec

NO_CLAIM = Claim(0, 0)
DIGEST_LENGTH = 32  # hex digits of a staged file's name that a temporary file's name has


def name_of(archive_id: str) -> str:
    """The name of a file on the volume; its first two hex digits name its directory."""
    return hashlib.sha256(archive_id.encode()).hexdigest()


def temporary_of(archive_id: str, claim: Claim) -> str:
    return f"{claim.job_id}-{claim.token}-{name_of(archive_id)[:DIGEST_LENGTH]}"


def partial_of(spec: FileSpec, claim: Claim) -> str:
    return f"{claim.job_id}-{claim.token}-{version_of(spec)}"


def version_of(spec: FileSpec) -> str:
    """What the names of all partial files of these bytes end in; of another version, or another file, none does."""
    return f"{name_of(spec.archive_id)[:DIGEST_LENGTH]}.{spec.size}.{spec.mtime_ns}"


def claim_of(name: str) -> Claim:
    """The claim in a temporary or partial file's name; NO_CLAIM for any other name."""
    job_id, _, rest = name.partition("-")
    token, _, digest = rest.partition("-")
    if not (job_id.isdecimal() and token.isdecimal() and digest):
        return NO_CLAIM
    return Claim(int(job_id), int(token))


def version_in(name: str) -> str:
    """What `version_of` gave for a partial file; empty for a temporary file and any other name."""
    rest = name.partition("-")[2].partition("-")[2]
    return rest if claim_of(name) != NO_CLAIM and rest.count(".") == len((".size", ".mtime")) else ""


def digest_in(version: str) -> str:
    """The first hex digits of the name that the file will have when it is staged."""
    return version.partition(".")[0]
