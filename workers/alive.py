"""`python -m workers.alive`: exits with 0 while this container's worker touches its LIVENESS_FILE, with 1 if it hangs.

A health check runs it twice a minute, so it imports nothing and reads only the age of the file.
"""

from __future__ import annotations

import os
import sys
import time

FRESH = 60.0  # seconds; the worker touches it every 5 s


def main() -> int:
    path = os.environ.get("LIVENESS_FILE", "")
    if not path:
        print("LIVENESS_FILE is not set: give the worker and its health check the same one")
        return 1
    try:
        age = time.time() - os.stat(path).st_mtime
    except OSError as error:
        print(f"the worker has not started yet, or cannot write there: {error}")
        return 1
    print(f"{path} was touched {age:.0f} s ago")
    return int(age > FRESH)


if __name__ == "__main__":
    sys.exit(main())
