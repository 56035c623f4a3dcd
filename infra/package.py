"""Builds the zip of both Lambdas: `python -m infra.package --ca us-east-1-bundle.pem` writes build/cart-python3.12.zip.

`chalice package` collects the code and the packages of locks/lambda.lock, each checked against its hash and built for
Lambda's Linux. This adds the CA certificates of RDS, and leaves out what the handlers never read, above all botocore's
descriptions of 400 other services: 7 MB instead of 22, which Lambda fetches and unpacks at every cold start. The same
input gives the same bytes, so a Terraform plan shows a change only when there is one. The file name contains the Python
version that built it, which is the functions' runtime.
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
SOURCES = ("app.py", "chalicelib", *(f".chalice/{name}.json" for name in ("config", "policy-dev", "api-policy-dev")))
LOCK = ROOT / "locks" / "lambda.lock"
CHALICE = "from chalice.cli import main; main()"
CA_NAME = "mysql-ca.pem"  # MYSQL_CA in infra/settings.tf is /var/task/ followed by this name
#: The services of which the handlers make clients, and so need botocore's description.
AWS_SERVICES = ("s3", "sqs", "sts", "secretsmanager")
#: Parts of packages that the handlers never import.
UNUSED = ("boto3/data/", "boto3/examples/", "playhouse/", "peewee-stubs/", "pwiz.py", "bin/", "cffi/", "pycparser/")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can store


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__.partition("\n")[0])
    parser.add_argument("--ca", type=Path, required=True, help="CA certificates of RDS in your region, PEM")
    parser.add_argument("--to", type=Path, default=ROOT / "build", help="output folder; build/ by default")
    options = parser.parse_args(arguments)
    if "-----BEGIN CERTIFICATE-----" not in options.ca.read_text():
        parser.error(f"{options.ca} contains no PEM certificate")
    options.to.mkdir(parents=True, exist_ok=True)
    target = options.to / f"cart-python{sys.version_info.major}.{sys.version_info.minor}.zip"
    with tempfile.TemporaryDirectory() as folder:
        write_zip(chalice_package(Path(folder)), options.ca.read_bytes(), target)
    print(target)
    return 0


def chalice_package(folder: Path) -> Path:
    """Run `chalice package` on a copy of the sources in `folder`, because it would ship every file beside them.

    Returns the path of its zip; exits if it fails.
    """
    (folder / ".chalice").mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    shutil.copy(LOCK, folder / "requirements.txt")
    environ = {"AWS_DEFAULT_REGION": "us-east-1", **os.environ}  # it requires a region but does not use it
    done = subprocess.run(
        [sys.executable, "-c", CHALICE, "package", "out"], cwd=folder, env=environ, capture_output=True, text=True
    )
    # When a package has no wheel for Lambda, it leaves it out, prints a warning and still exits with 0.
    if done.returncode or "Could not install" in done.stdout + done.stderr:
        sys.exit(f"chalice package failed:\n{done.stdout}{done.stderr}")
    return folder / "out/deployment.zip"


def write_zip(source: Path, ca: bytes, target: Path) -> None:
    """Write a reproducible copy of the zip `source`, with the CA certificates added."""
    with zipfile.ZipFile(source) as packaged, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        contents = {name: packaged.read(name) for name in packaged.namelist() if _is_shipped(name)}
        for name, content in sorted({**contents, CA_NAME: ca}.items()):
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(info, content)


def _is_shipped(name: str) -> bool:
    """Leave out folders, files that differ from build to build, and what the handlers never read."""
    if name.endswith(("/", ".pyc", "/RECORD", "/direct_url.json")) or name.startswith(UNUSED):
        return False
    service = name.removeprefix("botocore/data/").partition("/")
    return not name.startswith("botocore/data/") or not service[1] or service[0] in AWS_SERVICES


if __name__ == "__main__":
    sys.exit(main())
