"""Refusals: pickles, archives, paths and links that leave the model's folder."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import IntegrityError, UnsafeModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "PICKLE_SUFFIXES",
    "confine",
    "is_archive",
    "is_pickle",
    "iter_files",
    "refuse_disguise",
    "trusted_root",
]

#: Formats whose readers execute what the file says.
PICKLE_SUFFIXES = frozenset(
    {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".mar", ".t7"}
)
MAX_FILES = 20_000
_TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_TEXT_PICKLE = re.compile(rb"\A\(?(?:[ci][A-Za-z_][\w.]*\n[\w.]+\n|[lidt]p\d+\n)")
_ARCHIVES = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"7z\xbc\xaf",
    b"Rar!",
)
_LFS = b"version https://git-lfs.github.com/spec/"


def is_pickle(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a Python pickle of any protocol."""
    if head.startswith(_TORCH_LEGACY) or (len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5):
        return True
    return _TEXT_PICKLE.match(head) is not None


def is_archive(head: bytes) -> bool:
    """Whether the first bytes are those of an archive (zip, as PyTorch writes, tar, gzip, …)."""
    return head.startswith(_ARCHIVES) or head[257:262] == b"ustar"


def refuse_disguise(path: Path, head: bytes) -> None:
    """Raise when a file that should be plain data is something else.

    Raises:
        UnsafeModelError: A pickle or an archive under another name.
        IntegrityError: A Git LFS pointer or a web page instead of the file.
    """
    if is_pickle(head) or is_archive(head):
        found = "a pickle" if is_pickle(head) else "an archive"
        raise UnsafeModelError(
            f"{path} is {found} under the name of a {path.suffix or 'data'} file",
            hint="get the model in safetensors or ONNX form from its author; nothing was read",
            details={"file": str(path), "found": found},
        )
    if head.startswith(_LFS):
        raise IntegrityError(
            f"{path} is a Git LFS pointer, not the file itself",
            hint="run git lfs pull in its folder",
        )
    if head[:256].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise IntegrityError(f"{path} is a web page, not a model file", hint="download it again")


def trusted_root(directory: Path) -> Path:
    """Where links of a model's folder may point: the folder, or its repository in a hub cache.

    A snapshot of the hub's own cache (``models--…/snapshots/<commit>``) links into the ``blobs``
    beside it.
    """
    repository = directory.parent.parent
    if directory.parent.name == "snapshots" and (repository / "blobs").is_dir():
        return repository
    return directory


def confine(directory: Path, relative: str, *, root: Path | None = None) -> Path:
    """The path of a file that a model names, if it lies inside the model's folder.

    Args:
        directory: Folder that names are relative to.
        relative: Name as the model gives it.
        root: Where links may point; ``trusted_root(directory)`` when ``None``.

    Raises:
        UnsafeModelError: The name is absolute, climbs with ``..`` or is a link that leaves.
    """
    pure = PurePosixPath(relative)
    unsafe = (
        not relative or "\x00" in relative or "\\" in relative or re.match(r"[A-Za-z]:", relative)
    )
    if unsafe or pure.is_absolute() or ".." in pure.parts:
        raise UnsafeModelError(
            f"{relative!r} is not a path inside {directory}",
            hint="the model asks for a file outside its folder; nothing was read",
            details={"directory": str(directory), "path": relative},
        )
    path = directory / pure
    _confined(path, root or trusted_root(directory))
    return path


def _confined(path: Path, root: Path) -> None:
    resolved = Path(os.path.realpath(path))
    if not resolved.is_relative_to(os.path.realpath(root)):
        raise UnsafeModelError(
            f"{path} is a link to {resolved}, outside {root}",
            hint="copy the file into the model's folder if you trust it",
            details={"path": str(path), "target": str(resolved)},
        )


def iter_files(directory: Path) -> Iterator[str]:
    """POSIX paths of all regular files below a folder, sorted; hidden folders are left out.

    Raises:
        UnsafeModelError: A link leaves the folder, a file is neither regular nor a link to one, or
            there are more than `MAX_FILES`.
    """
    root = trusted_root(directory)
    found: list[str] = []
    for base, folders, files in os.walk(directory, followlinks=False):
        here = Path(base)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for folder in folders:
            if (here / folder).is_symlink():
                _confined(here / folder, root)
        for name in files:
            path = here / name
            if path.is_symlink():
                _confined(path, root)
            if path.exists() and not path.is_file():
                raise UnsafeModelError(f"{path} is not a regular file")
            found.append(path.relative_to(directory).as_posix())
        if len(found) > MAX_FILES:
            raise UnsafeModelError(f"{directory} holds more than {MAX_FILES} files")
    yield from sorted(found)
