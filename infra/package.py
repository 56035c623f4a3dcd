"""The zip that both Lambdas run: `python -m infra.package --ca us-east-1-bundle.pem` makes build/cart-python3.12.zip.

`chalice package` gathers the code and what requirements.txt names, for Lambda's Linux; the authorities that RDS
certificates are checked by are added. The same input gives the same bytes, so that a plan shows a change only when
there is one. The file's name says the Python that made it, which the functions then run on.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHIPPED = ("app.py", "chalicelib", "requirements.txt", ".chalice/config.json", ".chalice/policy-dev.json")
CHALICE = "from chalice.cli import main; main()"
CA_NAME = "mysql-ca.pem"  # MYSQL_CA of infra/settings.tf is /var/task/ and this
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can tell


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__.partition("\n")[0])
    parser.add_argument("--ca", type=Path, required=True, help="PEM of the authorities of RDS in your region")
    parser.add_argument(
        "--to", type=Path, default=ROOT / "build", help="the folder to put it in; build/ when not given"
    )
    options = parser.parse_args(arguments)
    if "-----BEGIN CERTIFICATE-----" not in options.ca.read_text():
        parser.error(f"{options.ca} holds no certificate in PEM")
    options.to.mkdir(parents=True, exist_ok=True)
    made = options.to / f"cart-python{sys.version_info.major}.{sys.version_info.minor}.zip"
    with tempfile.TemporaryDirectory() as folder:
        write(gathered(Path(folder)), options.ca.read_bytes(), made)
    print(made)
    return 0


def gathered(folder: Path) -> Path:
    """The zip of `chalice package`, made from a copy in `folder`: it takes whatever lies beside what it is to ship."""
    (folder / ".chalice").mkdir()
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    # It wants a region, and makes nothing of it; the versions are those that were tested.
    environ = {"AWS_DEFAULT_REGION": "us-east-1", **os.environ, "PIP_CONSTRAINT": str(ROOT / "requirements.lock")}
    done = subprocess.run(
        [sys.executable, "-c", CHALICE, "package", "out"], cwd=folder, env=environ, capture_output=True, text=True
    )
    # It says on its way, and succeeds, when it leaves a package out that has no wheel for Lambda.
    if done.returncode or "Could not install" in done.stdout + done.stderr:
        sys.exit(f"chalice package failed:\n{done.stdout}{done.stderr}")
    return folder / "out/deployment.zip"


def write(source: Path, ca: bytes, made: Path) -> None:
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as zipped:
        contents = {name: given.read(name) for name in given.namelist() if _is_shipped(name)}
        for name, content in sorted({**contents, CA_NAME: ca}.items()):
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(info, content)


def _is_shipped(name: str) -> bool:
    """Neither folders nor what differs from one making to the next."""
    return not name.endswith(("/", ".pyc", "/RECORD", "/direct_url.json"))


if __name__ == "__main__":
    sys.exit(main())
