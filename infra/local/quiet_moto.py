"""moto's server without a line for each request: workers poll all day, and `docker-compose up` shows what is said."""

from __future__ import annotations

import logging
import sys

if __name__ == "__main__":
    from moto.server import main  # here: importing it takes a second and looks around

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    main(sys.argv[1:])
