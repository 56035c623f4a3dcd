"""`python -m chalicelib.admin` is `pacifica-cartd-cmd`."""

import sys

from chalicelib.admin.command import main

if __name__ == "__main__":
    sys.exit(main())
