"""Starts the store with the key of a file: `python3 -m infra.compose.store_server FOLDER weed ...`.

SeaweedFS takes its key from variables. A file, which boto3 reads too, keeps it out of the container's description.
"""

from __future__ import annotations

import configparser
import os
import sys
from pathlib import Path

from infra.local import store_security


def read_key(path: Path) -> tuple[str, str]:
    """Access key and secret of the profile `default`. Raises SystemExit, without the content."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text())
        key, secret = parser["default"]["aws_access_key_id"], parser["default"]["aws_secret_access_key"]
    except (OSError, UnicodeDecodeError, configparser.Error, KeyError):
        sys.exit(f"{path} must have a section [default] with aws_access_key_id and aws_secret_access_key")
    if not key or not secret:
        sys.exit(f"{path} must not have an empty key")  # SeaweedFS would serve everybody
    return key, secret


def main(arguments: list[str]) -> None:
    key, secret = read_key(Path(os.environ["AWS_SHARED_CREDENTIALS_FILE"]))
    os.environ.update(AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
    store_security.main(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
