"""`python alive.py PORT`: a container's health check; fails unless the server at that loopback port answers.

Any answer that is not the server's own failure counts: the store's 403 for a stranger too. No proxy is asked.
"""

from __future__ import annotations

import http.client
import sys

PATIENCE = 4.0


def main(arguments: list[str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", int(arguments[0]), timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer: {error}")
        return 1
    finally:
        connection.close()
    print(f"answers {status}")
    return int(status >= 500)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
