"""moto's server without an access log, which the polling workers would fill the output of `docker-compose up` with."""

from __future__ import annotations

import logging
import sys

if __name__ == "__main__":
    from moto.server import main  # not at import time: it takes a second and reads the environment

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    main(sys.argv[1:])
