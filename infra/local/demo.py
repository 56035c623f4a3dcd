"""`make demo`: makes one cart over HTTP, from POST to verified tar, and shows each step.

Uses the system that runs at PORT, or starts one and stops it at the end. CART_TOKEN is the login, if it needs one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from infra.local.demo_client import CartClient, DemoFailed, download
from infra.local.demo_files import DemoFile, make_files, samples
from infra.local.environment import LocalConfig, read_config
from infra.local.home import CannotStart
from infra.local.ports import LOOPBACK
from infra.local.probes import is_cart_service
from infra.local.process import ROOT
from infra.local.progress_bar import ProgressBar

ENDED = ("ready", "error")
START_TIMEOUT = 120.0


def demo(environ: Mapping[str, str]) -> int:
    """Returns the exit code: 0 if the tar contains every file with the right hash."""
    try:
        config = read_config(environ)
        config.home.create()
        with _system(config, environ):
            _show(config, environ.get("CART_TOKEN", ""))
    except (CannotStart, DemoFailed, OSError) as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _show(config: LocalConfig, token: str) -> None:
    owner = config.home.lock_owner()
    own_archive = owner.get("port") == config.port and bool(owner.get("own_archive"))
    files = make_files(config.home.archive) if own_archive else samples()
    uid = str(uuid.uuid4())
    cart = CartClient(LOOPBACK, config.port, uid, token)
    print(f"POST   http://{LOOPBACK}:{config.port}/{uid}   {len(files)} files")
    cart.post({"fileids": [file.entry() for file in files]})
    _watch(cart)
    url = cart.bundle_url("demo.tar")
    print(f"GET    302 to {url.partition('?')[0]}?...")
    tar = config.home.root / "demo.tar"
    _save(url, tar)
    _verify(tar, uid, files)
    cart.delete()
    print(f"DELETE 200; the tar is kept in {tar}")


@contextlib.contextmanager
def _system(config: LocalConfig, environ: Mapping[str, str]) -> Iterator[None]:
    """Use the running system, or start one that stops when the block ends."""
    if is_cart_service(config.port):
        print(f"using the system at port {config.port}")
        yield
        return
    log = config.home.log / "system.log"
    print(f"starting the system, logging to {log} ...")
    with log.open("wb") as out:
        command = [sys.executable, "-m", "infra.local", "run"]
        system = subprocess.Popen(command, env=dict(environ), cwd=ROOT, stdout=out, stderr=out, start_new_session=True)
    try:
        _await_start(system, config.port, log)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(system.pid, signal.SIGTERM)
        system.wait()


def _await_start(system: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not is_cart_service(port):
        if system.poll() is not None or time.monotonic() > deadline:
            raise DemoFailed(f"the system did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def _watch(cart: CartClient) -> None:
    bar = ProgressBar()
    while True:
        status = cart.status()
        files = status["files"]
        done = files["total"] if status["status"] == "ready" else files["staged"]
        bar.show(status["status"], done, files["total"], "files")
        if status["status"] in ENDED:
            break
        time.sleep(0.1)
    bar.end()
    if status["status"] == "error":
        raise DemoFailed(f"the cart ended in error: {status['message']}")


def _save(url: str, tar: Path) -> None:
    bar, done, total = ProgressBar(), 0, 0
    with tar.open("wb") as out:
        for item in download(url):
            if isinstance(item, int):
                total = item
                continue
            out.write(item)
            done += len(item)
            bar.show("download", done, total, "bytes")
    bar.end()
    if done != total:
        raise DemoFailed(f"the download stopped after {done} of {total} bytes")


def _verify(tar: Path, root: str, files: Sequence[DemoFile]) -> None:
    """Print the tar's members and check their hashes. Raises DemoFailed for a missing, wrong or unexpected file."""
    expected = {f"{root}/{file.path}": file for file in files}
    with tarfile.open(tar) as bundle:
        for member in bundle:
            if not member.isfile():
                print(f"       {'':>9}  {'':8}  {member.name}/")
                continue
            file = expected.pop(member.name, None)
            if file is None:
                raise DemoFailed(f"{member.name} is in the tar but not in the manifest")
            print(f"       {member.size:>9}  {_check_hash(bundle, member, file):8}  {member.name}")
    if expected:
        raise DemoFailed(f"not in the tar: {', '.join(expected)}")
    print(f"all {len(files)} files are there{', every hash is right' if files[0].hash_hex else ''}")


def _check_hash(bundle: tarfile.TarFile, member: tarfile.TarInfo, file: DemoFile) -> str:
    if not file.hash_hex:
        return "unknown"
    content = bundle.extractfile(member)
    assert content is not None, "a regular file has content"
    if hashlib.file_digest(content, file.hash_name).hexdigest() != file.hash_hex:  # type: ignore[arg-type]
        raise DemoFailed(f"{member.name} has the wrong {file.hash_name}")
    return f"{file.hash_name} ok"
