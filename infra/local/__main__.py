"""`python -m infra.local [run|demo|chalice]`: the local system, a demonstration, or `chalice local` beside it."""

from __future__ import annotations

import argparse
import os
import sys


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("command", nargs="?", choices=("run", "demo", "chalice"), default="run")
    command = parser.parse_args().command
    if command == "demo":
        from infra.local.demo import demo

        return demo(os.environ)
    if command == "chalice":
        from infra.local.chalice_local import chalice_local

        return chalice_local(os.environ)
    from infra.local.run import run

    return run(os.environ)


if __name__ == "__main__":
    sys.exit(main())
