"""`python -m infra.local [run|demo]`: runs the local system, or a demonstration of it."""

from __future__ import annotations

import argparse
import os
import sys


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("command", nargs="?", choices=("run", "demo"), default="run")
    if parser.parse_args().command == "demo":
        from infra.local.demo import demo

        return demo(os.environ)
    from infra.local.run import run

    return run(os.environ)


if __name__ == "__main__":
    sys.exit(main())
