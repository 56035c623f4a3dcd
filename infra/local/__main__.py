"""`python -m infra.local [run|demo]`: what `make run` and `make demo` start."""

from __future__ import annotations

import argparse
import os
import sys


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("run", "demo"), default="run")
    if parser.parse_args().what == "demo":
        from infra.local.demo import demo

        return demo(os.environ)
    from infra.local.run import run

    return run(os.environ)


if __name__ == "__main__":
    sys.exit(main())
