"""The parts of `make demo`; an end-to-end test runs all of it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from infra.local.demo import _verify
from infra.local.demo_client import DemoFailed
from infra.local.demo_files import DemoFile, make_files
from infra.local.progress_bar import ProgressBar

FILE = DemoFile("x", "a/x", "sha1", hashlib.sha1(b"content").hexdigest())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def tar_of(folder: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(folder / "x.tar", "w") as bundle:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    return folder / "x.tar"


def test_a_tar_with_every_file_right_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _verify(tar_of(tmp_path, {"root/a/x": b"content"}), "root", [FILE])
    assert "sha1 ok   root/a/x" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"root/a/x": b"other"}, "has the wrong sha1"),
        ({}, "not in the tar: root/a/x"),
        ({"root/a/x": b"content", "root/y": b""}, "root/y is in the tar but not in the manifest"),
    ],
)
def test_a_tar_that_differs_from_the_manifest_fails(tmp_path: Path, members: dict[str, bytes], problem: str) -> None:
    with pytest.raises(DemoFailed, match=problem):
        _verify(tar_of(tmp_path, members), "root", [FILE])


def test_the_demo_files_are_the_same_on_every_run_and_include_an_empty_one(tmp_path: Path) -> None:
    for name in ("foo.txt", "bar.csv", "baz.ini"):
        (tmp_path / name).write_text(name)
    first = make_files(tmp_path)
    assert make_files(tmp_path) == first
    assert len(first) == 43
    assert len({file.path for file in first}) == 43
    assert hashlib.sha256(b"").hexdigest() in {file.hash_hex for file in first}
    assert any(not file.archive_id.isascii() for file in first)


def test_the_bar_is_redrawn_in_place_on_a_terminal() -> None:
    out = Terminal()
    bar = ProgressBar(out)
    bar.show("staging", 1, 4, "files")
    bar.show("staging", 2, 4, "files")
    bar.end()
    assert out.getvalue().count("\r") == 2
    assert f"[{'#' * 16}{'.' * 16}] 2 of 4 files" in out.getvalue()


def test_the_bar_prints_one_line_per_stage_elsewhere() -> None:
    out = io.StringIO()
    bar = ProgressBar(out)
    for done in range(5):
        bar.show("staging", done, 4, "files")
    bar.show("ready", 4, 4, "files")
    bar.end()
    assert [line.split()[0] for line in out.getvalue().splitlines()] == ["staging", "ready", "ready"]
