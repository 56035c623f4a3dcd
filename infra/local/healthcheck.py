"""Container health check: `python healthcheck.py PORT [PATH]` exits with 0 if the server at this port is healthy.

Every status below 500 is healthy: the store answers 403 to an unsigned request. Proxy settings are ignored.
"""

from __future__ import annotations

import http.client
import sys

TIMEOUT = 4.0


def main(arguments: list[str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", int(arguments[0]), timeout=TIMEOUT)
    try:
        connection.request("GET", arguments[1] if len(arguments) > 1 else "/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer: {error}")
        return 1
    finally:
        connection.close()
    print(f"status {status}")
    return int(status >= 500)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
