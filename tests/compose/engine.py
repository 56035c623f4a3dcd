"""Runs podman and podman-compose with separate configuration and storage, so the user's own are not touched."""

from __future__ import annotations

import copy
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
COMPOSE = Path(os.environ.get("PODMAN_COMPOSE") or ROOT / ".venv" / "compose" / "bin" / "podman-compose")
PROJECT = "carttest"
#: Program -> its Debian package.
PROGRAMS = {
    "podman": "podman",
    "runc": "runc",
    "/usr/libexec/podman/catatonit": "catatonit",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
}
#: Works inside an unprivileged container: no systemd, and no limit is raised.
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


def missing_programs() -> str:
    """Why the engine cannot be used on this machine; empty if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "the compose tests need Linux and root"
    packages = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if packages:
        return f"missing: {', '.join(packages)} (apt-get install {' '.join(packages)})"
    return "" if COMPOSE.exists() else "podman-compose is not installed: run `make test-compose`"


class Engine:
    """`environ` are variables of docker-compose.yml. `home` keeps the images, so the next run starts faster."""

    def __init__(self, home: Path, environ: dict[str, str]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.project = PROJECT
        self.files: tuple[str, ...] = ("docker-compose.yml",)
        self._lock: IO[str] = (home / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two systems would use the same container names
        (home / "containers.conf").write_text(CONTAINERS)
        (home / "storage.conf").write_text(STORAGE.format(home=home))
        configuration = {
            "CONTAINERS_CONF": str(home / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(home / "storage.conf"),
        }
        self.environ = {**os.environ, **configuration, **environ}
        self._mounts = pip_settings.mounts(home)

    def beside(self, project: str, files: Sequence[str], environ: dict[str, str]) -> Engine:
        """The same storage for another system: its name, its compose files and its variables."""
        other = copy.copy(self)
        other.project, other.files = project, tuple(files)
        other.environ = {**self.environ, **environ}
        return other

    def podman(self, *arguments: str, timeout: float = 120) -> str:
        """Run podman; returns its standard output. Raises AssertionError with its output if it fails."""
        return self._run(["podman", *arguments], timeout)

    def compose(self, *arguments: str, timeout: float = 300) -> str:
        build = f"--podman-build-args={BUILD} {' '.join(self._mounts)}"
        return self._run([*self.compose_command(), build, *arguments], timeout)

    def compose_command(self) -> list[str]:
        files = [word for file in self.files for word in ("-f", file)]
        sequential = ["--parallel", "1"]  # the second image of a Dockerfile then comes from the build cache
        return [str(COMPOSE), "--in-pod", "false", *sequential, "-p", self.project, *files]

    def build(self, folder: Path, name: str) -> None:
        """Build the image of `folder` with the host's network."""
        self.podman("build", *BUILD.split(), *self._mounts, "-t", name, str(folder), timeout=900)

    def prune(self) -> None:
        """Remove the unnamed images that earlier builds left behind."""
        self.podman("image", "prune", "-f", timeout=300)

    def has_image(self, name: str) -> bool:
        command = ["podman", "image", "exists", name]
        return subprocess.run(command, env=self.environ, capture_output=True, timeout=60).returncode == 0

    def is_stand_in(self, name: str) -> bool:
        """Whether an existing image was built by these tests."""
        labels = self.podman("image", "inspect", "--format", "{{json .Labels}}", name)
        return "stand-in" in labels

    def containers(self, service: str, *options: str) -> list[str]:
        """Names of the running containers of a service; with `-a`, also of the exited ones."""
        labels = {"service": service, "project": self.project}
        filters = [word for name in labels for word in ("--filter", f"label=io.podman.compose.{name}={labels[name]}")]
        return sorted(self.podman("ps", *options, *filters, "--format", "{{.Names}}").split())

    def remove(self, *names: str) -> None:
        """Stop and remove containers; podman-compose neither scales down nor stops scaled-up containers."""
        if names:
            self.podman("stop", "-t", "20", *names)
            self.podman("rm", "-f", *names)

    def log(self, name: str) -> str:
        """The output of a container so far, stdout and stderr."""
        command = ["podman", "logs", name]
        output = subprocess.run(
            command, env=self.environ, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
        ).stdout
        return output.decode(errors="replace")

    def keep_logs(self) -> None:
        """Write the output of every container to a file, for use after a failure."""
        folder = self.home / "logs"
        folder.mkdir(exist_ok=True)
        for name in self.podman("ps", "-a", "--format", "{{.Names}}").split():
            (folder / f"{name}.log").write_text(self.log(name))

    def _run(self, command: Sequence[str], timeout: float) -> str:
        done = subprocess.run(command, env=self.environ, cwd=ROOT, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout
