"""Podman and podman-compose with a configuration and a storage of their own, so that nobody else's is touched."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.compose import pip_settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / ".venv" / "compose" / "bin" / "podman-compose"
PROJECT = "carttest"
#: Program -> Debian's package of it.
NEEDED = {
    "podman": "podman",
    "runc": "runc",
    "/usr/libexec/podman/catatonit": "catatonit",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
}
#: No systemd is asked for anything, and no limit is raised: what a container without privileges of its own allows.
CONTAINERS = """[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:8192"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STORAGE = """[storage]
driver = "overlay"
runroot = "{home}/run"
graphroot = "{home}/graph"
"""
BUILD = "--isolation chroot --format docker --pull=never"


def lacking() -> str:
    """Why the engine cannot be used on this machine; empty when it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "containers are tested as root on Linux only"
    packages = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if packages:
        return f"no {', '.join(packages)} here: apt-get install {' '.join(packages)}"
    return "" if COMPOSE.exists() else "no podman-compose here: `make test-compose` installs it"


class Engine:
    """`environ` is what docker-compose.yml reads. Images are kept in `home`, to be quick the next time."""

    def __init__(self, home: Path, environ: dict[str, str]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self._lock: IO[str] = (home / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # names of containers are there once
        (home / "containers.conf").write_text(CONTAINERS)
        (home / "storage.conf").write_text(STORAGE.format(home=home))
        configuration = {
            "CONTAINERS_CONF": str(home / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(home / "storage.conf"),
        }
        self.environ = {**os.environ, **configuration, **environ}
        self._mounts = pip_settings.mounts(home)

    def podman(self, *arguments: str, within: float = 120) -> str:
        """What it says on standard output; raises AssertionError with all it says when it fails."""
        return self._run(["podman", *arguments], within)

    def compose(self, *arguments: str, within: float = 300) -> str:
        build = f"--podman-build-args={BUILD} {' '.join(self._mounts)}"
        one_by_one = ["--parallel", "1"]  # so that the second image of a Dockerfile is there at once
        return self._run([str(COMPOSE), "--in-pod", "false", *one_by_one, "-p", PROJECT, build, *arguments], within)

    def build(self, folder: Path, name: str) -> None:
        """The image of `folder`, on the network of the machine."""
        self.podman("build", *BUILD.split(), *self._mounts, "-t", name, str(folder), within=900)

    def prune(self) -> None:
        """Remove what former builds left: images without a name."""
        self.podman("image", "prune", "-f", within=300)

    def has_image(self, name: str) -> bool:
        command = ["podman", "image", "exists", name]
        return subprocess.run(command, env=self.environ, capture_output=True, timeout=60).returncode == 0

    def is_stand_in(self, name: str) -> bool:
        """Whether an image that is there was built by these tests."""
        labels = self.podman("image", "inspect", "--format", "{{json .Labels}}", name)
        return "stand-in" in labels

    def containers(self, service: str, *options: str) -> list[str]:
        """Names of the running containers of a service; with `-a` of those that ended too."""
        label = f"label=io.podman.compose.service={service}"
        return sorted(self.podman("ps", *options, "--filter", label, "--format", "{{.Names}}").split())

    def remove(self, *names: str) -> None:
        """Stop and remove containers: podman-compose itself neither scales down nor ends what was scaled up."""
        if names:
            self.podman("stop", "-t", "20", *names)
            self.podman("rm", "-f", *names)

    def log(self, name: str) -> str:
        """What a container said so far, on either stream."""
        command = ["podman", "logs", name]
        said = subprocess.run(
            command, env=self.environ, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
        ).stdout
        return said.decode(errors="replace")

    def keep_logs(self) -> None:
        """What every container said, into files to be read after a failure."""
        folder = self.home / "logs"
        folder.mkdir(exist_ok=True)
        for name in self.podman("ps", "-a", "--format", "{{.Names}}").split():
            (folder / f"{name}.log").write_text(self.log(name))

    def _run(self, command: Sequence[str], within: float) -> str:
        done = subprocess.run(command, env=self.environ, cwd=ROOT, capture_output=True, text=True, timeout=within)
        assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout
