"""Reserves disk blocks for a file without making it longer, so that its size says how much was written."""

from __future__ import annotations

import ctypes
import errno
import os
import sys

KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE
UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def preallocate(descriptor: int, size: int) -> None:
    """Raises OSError where the disk is full. Where the system cannot preallocate, nothing happens."""
    if sys.platform != "linux":
        return
    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    while fallocate(descriptor, KEEP_SIZE, 0, size):
        error = ctypes.get_errno()
        if error in UNSUPPORTED:
            return
        if error != errno.EINTR:
            raise OSError(error, os.strerror(error))
