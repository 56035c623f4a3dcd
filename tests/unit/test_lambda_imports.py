"""What the API imports before its first answer: on Lambda, each package is part of a cold start."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from infra.local.process import ROOT
from infra.local.services import store_memory

#: What the zip holds, and what these import where it is installed (Lambda has none of the second line).
NEEDED = {"app", "chalicelib", "chalice", "peewee", "pymysql", "boto3", "botocore", "s3transfer"}
NEEDED |= {"dateutil", "jmespath", "six", "urllib3", "certifi", "pythonjsonlogger"}
IF_INSTALLED = {"awscrt", "_awscrt", "cryptography", "_cffi_backend", "_openssl", "OpenSSL", "zstandard", "brotli"}
OF_PYTHON = {"__main__", "__mp_main__", "_distutils_hack"}


def test_no_other_package_is_imported_before_the_first_answer() -> None:
    code = "import json, sys, app; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name for name in json.loads(done.stdout) if not name.startswith(("__editable__", "pacifica"))}
    assert loaded - set(sys.stdlib_module_names) - NEEDED - IF_INSTALLED - OF_PYTHON == set()
    assert loaded >= {"app", "chalicelib", "peewee"}


@pytest.mark.parametrize(("machine", "store"), [(2_000, 400), (8_000, 1_000), (64_000, 2_000)])
def test_the_local_store_has_its_share_of_the_machines_memory(machine: int, store: int) -> None:
    assert store_memory(machine) == store
