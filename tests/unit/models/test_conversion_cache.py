"""The cache of conversions builds once, shows whole results only and cleans up the oldest."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ipfs_accelerate.errors import DiskFullError
from ipfs_accelerate.models.conversion.cache import RECORD, ConversionCache

BUILDER = """
import sys
from pathlib import Path
from ipfs_accelerate.models.conversion.cache import ConversionCache

def build(folder):
    with (Path(sys.argv[1]) / "builds.log").open("a") as log:
        log.write("built\\n")
    print("building", flush=True)
    sys.stdin.readline()
    (folder / "model.onnx").write_bytes(b"x")
    return {"made": True}

print("asking", flush=True)
folder, record = ConversionCache(Path(sys.argv[1]), 10**9, 60).get_or_build("key", build)
print((folder / "model.onnx").exists(), record, flush=True)
sys.stdin.readline()
"""


def cache(directory: Path, limit_bytes: int = 10**9) -> ConversionCache:
    return ConversionCache(directory, limit_bytes, 10.0)


def write(folder: Path, size: int = 100) -> dict[str, object]:
    (folder / "model.onnx").write_bytes(b"x" * size)
    return {"size": size}


def refuse(folder: Path) -> dict[str, object]:
    raise AssertionError(f"built again in {folder}")


def start(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def release(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def finish(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.communicate(timeout=60)


def visible(directory: Path) -> set[str]:
    return {p.name for p in directory.iterdir() if not p.name.startswith(".")}


def test_a_second_use_does_not_build_again(tmp_path: Path) -> None:
    folder, record = cache(tmp_path).get_or_build("key", write)
    again, stored = cache(tmp_path).get_or_build("key", refuse)
    assert (again, stored) == (folder, record) == (tmp_path / "key", {"size": 100})


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> dict[str, object]:
        write(folder)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        cache(tmp_path).get_or_build("key", fail)
    assert not [p for p in tmp_path.iterdir() if p.is_dir()]
    assert cache(tmp_path).get_or_build("key", write)[1] == {"size": 100}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_a_typed_error_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    def fill(folder: Path) -> dict[str, object]:
        write(folder)
        raise OSError(number, os.strerror(number))

    with pytest.raises(DiskFullError, match="no space left"):
        cache(tmp_path).get_or_build("key", fill)
    assert not [p for p in tmp_path.iterdir() if p.is_dir()]


def test_a_half_built_folder_of_a_dead_process_is_removed(tmp_path: Path) -> None:
    stale = tmp_path / ".key.building-abc"
    stale.mkdir()
    (stale / "model.onnx").write_bytes(b"half")
    (tmp_path / "key").mkdir()  # renamed, but without a record
    cache(tmp_path).get_or_build("key", write)
    assert not stale.exists()
    assert (tmp_path / "key" / "model.onnx").stat().st_size == 100


def test_a_killed_builder_does_not_block_the_next(tmp_path: Path) -> None:
    killed = start(tmp_path)
    assert [line(killed), line(killed)] == ["asking", "building"]
    killed.kill()
    finish(killed)
    assert visible(tmp_path) == {"builds.log"}
    assert cache(tmp_path).get_or_build("key", write)[1] == {"size": 100}


def test_a_second_process_waits_and_reuses(tmp_path: Path) -> None:
    first, second = start(tmp_path), None
    try:
        assert [line(first), line(first)] == ["asking", "building"]
        second = start(tmp_path)
        assert line(second) == "asking"
        release(first)
        assert line(first) == line(second) == "True {'made': True}"
    finally:
        finish(*(p for p in (first, second) if p))
    assert (tmp_path / "builds.log").read_text() == "built\n"


def test_the_least_recently_used_is_deleted_first(tmp_path: Path) -> None:
    for age, name in enumerate(("newest", "middle", "oldest")):
        folder = tmp_path / name
        folder.mkdir()
        write(folder, 1000)
        (folder / "in-use").touch()
        (folder / RECORD).write_text("{}")
        os.utime(folder / RECORD, (1000 - age, 1000 - age))
    assert cache(tmp_path, 2500).clean() == ["oldest"]
    cache(tmp_path).get_or_build("middle", refuse)  # a use makes it the newest, and holds it
    assert cache(tmp_path, 1500).clean() == ["newest"]
    assert visible(tmp_path) == {"middle"}


def test_what_was_just_made_stays_even_beyond_the_limit(tmp_path: Path) -> None:
    folder, _ = cache(tmp_path, limit_bytes=1).get_or_build("key", write)
    assert (folder / "model.onnx").exists()


def test_what_another_process_uses_stays_until_it_ends(tmp_path: Path) -> None:
    other = start(tmp_path)
    try:
        assert [line(other), line(other)] == ["asking", "building"]
        release(other)
        assert line(other).startswith("True")
        assert cache(tmp_path, 0).clean() == []
    finally:
        finish(other)
    assert cache(tmp_path, 0).clean() == ["key"]


def test_folders_of_others_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "quantized").mkdir()
    write(tmp_path / "quantized")
    assert cache(tmp_path, 0).clean() == []
    assert (tmp_path / "quantized" / "model.onnx").exists()
