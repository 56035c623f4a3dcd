"""Writes the product's bill of materials: `python -m infra.sbom` writes build/sbom.json, in CycloneDX's JSON.

It lists what runs in production: the locked dependencies of the API, the sweep and the workers, with their hashes;
development tools and the stand-ins of `make run` are not in it. The same lock gives the same bytes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "locks" / "product.lock"
# It warns that a lock file does not say which package asked for which.
CYCLONEDX = (sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.sbom", description=__doc__.partition("\n")[0])
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "sbom.json", help="build/sbom.json by default")
    target: Path = parser.parse_args(arguments).to
    target.parent.mkdir(parents=True, exist_ok=True)
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--validate", "-o", str(target)]
    done = subprocess.run([*CYCLONEDX, *options, str(LOCK)])
    if not done.returncode:
        print(target)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
