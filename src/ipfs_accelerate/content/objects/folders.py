"""A folder of objects as a folder of files: one version at a time, whole, shared between versions.

Below ``home`` lie ``<version>/`` with the files, ``<version>.json`` with what they are, and
``latest``. A version is named by the paths, sizes and ETags of its files; a file that did not
change between two versions is fetched once and hard-linked.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ipfs_accelerate.content.objects._partial import disk_space_for
from ipfs_accelerate.content.objects.transfers import TransferOptions, Version, download
from ipfs_accelerate.errors import ContentLimitError, UnsafeModelError

if TYPE_CHECKING:
    from ipfs_accelerate.content.objects._client import ObjectInfo
    from ipfs_accelerate.content.objects.pool import ObjectPool

__all__ = ["FolderFile", "LocalFolder", "fetch_folder", "kept_folder", "list_folder"]

MAX_FILES = 20_000
_SCHEMA = "ipfs-accelerate/s3-folder/1"
_VERSION_DIGITS = 40


@dataclass(frozen=True, slots=True)
class FolderFile:
    """One file of a folder.

    Attributes:
        path: POSIX path in the folder.
        size_bytes: Its size.
        sha256: Hex digest; as stated before the fetch, as found after it.
        etag: As the endpoint that listed it says.
        key: Of the object.
    """

    path: str
    size_bytes: int
    sha256: str | None = None
    etag: str | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A version that is here.

    Attributes:
        directory: Its files, no links among them.
        version: Names it.
        files: What they are, by path.
    """

    directory: Path
    version: str
    files: Mapping[str, FolderFile]


def list_folder(pool: ObjectPool, prefix: str) -> dict[str, FolderFile]:
    """The objects below a prefix as files, or the object of that name as one file.

    Raises:
        ContentNotFoundError: There is neither.
        UnsafeModelError: A key is no path inside the folder.
        ContentLimitError: There are more than 20,000.
        AccelerateError: See `ObjectPool.head`.
    """
    found: dict[str, FolderFile] = {}
    for info in pool.iter_objects(prefix):
        path = info.key[len(prefix.strip("/")) :].lstrip("/")
        if path and not path.endswith("/"):
            found[path] = _file(path, info)
        if len(found) > MAX_FILES:
            raise ContentLimitError(
                f"there are more than {MAX_FILES} objects below {prefix!r}",
                hint="name the folder of one model",
            )
    if not found:
        info = pool.head(prefix)
        name = PurePosixPath(info.key).name
        found[name] = _file(name, info)
    return found


def fetch_folder(
    pool: ObjectPool,
    files: Mapping[str, FolderFile],
    home: Path,
    *,
    options: TransferOptions | None = None,
    finish: Callable[[LocalFolder], None] | None = None,
) -> LocalFolder:
    """Bring a version of a folder here, or complete what is here of it.

    Args:
        pool: Where the objects are.
        files: What to fetch, by path.
        home: Folder of the versions; processes may work on it at the same time.
        options: How to transfer.
        finish: Called with the whole folder before it becomes the latest.

    Raises:
        IntegrityError: An object was replaced meanwhile, or its bytes are wrong everywhere.
        DiskFullError: There is no space left; what came is kept.
        AccelerateError: See `ObjectPool.head`.
    """
    version = _version(files.values())
    directory = home / version
    with _locked(home / f"{version}.lock"), disk_space_for(str(directory)):
        before = kept_folder(home)
        done: dict[str, FolderFile] = {}
        for path, file in sorted(files.items()):
            kept = _reuse(file, directory / path, (kept_folder(home, version), before))
            done[path] = kept or _fetch(pool, file, directory / path, options)
        found = LocalFolder(directory, version, done)
        if finish is not None:
            finish(found)
        _write(home / f"{version}.json", _document(found))
        _write(home / "latest", version)
    return found


def kept_folder(home: Path, version: str | None = None) -> LocalFolder | None:
    """A version that is here as far as its receipt says; the latest when ``None``."""
    try:
        name = version or (home / "latest").read_text(encoding="ascii").strip()
        document = json.loads((home / f"{name}.json").read_bytes())
        if document["schema"] != _SCHEMA or len(name) != _VERSION_DIGITS or not name.isalnum():
            return None
        files = {row["path"]: FolderFile(**row) for row in document["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    folder = LocalFolder(home / name, name, files)
    is_whole = all(_has(folder.directory / f.path, f) for f in files.values())
    return folder if is_whole else None


def _file(path: str, info: ObjectInfo) -> FolderFile:
    pure = PurePosixPath(path)
    is_odd = "\\" in path or "\x00" in path or path != str(pure)
    if is_odd or pure.is_absolute() or ".." in pure.parts:
        raise UnsafeModelError(
            f"the store names {info.key!r}, which is no path inside the model's folder",
            details={"key": info.key},
        )
    return FolderFile(path, info.size_bytes, info.sha256, info.etag, info.key)


def _fetch(
    pool: ObjectPool, file: FolderFile, path: Path, options: TransferOptions | None
) -> FolderFile:
    wanted = Version(file.size_bytes, file.sha256, file.etag)
    found = download(pool, file.key, path, version=wanted, options=options)
    return replace(file, sha256=found.sha256)


def _reuse(file: FolderFile, path: Path, kept: tuple[LocalFolder | None, ...]) -> FolderFile | None:
    """The file from a version that is here, when it is the same."""
    for folder in kept:
        old = folder.files.get(file.path) if folder is not None else None
        is_same = (
            old is not None
            and (old.size_bytes, old.etag) == (file.size_bytes, file.etag)
            and file.etag is not None
            and file.sha256 in {None, old.sha256}
        )
        if folder is not None and old is not None and is_same:
            _link(folder.directory / file.path, path)
            return replace(file, sha256=old.sha256)
    return None


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # no hard links here
        partial = target.with_name(f".{target.name}.copy")
        shutil.copyfile(source, partial)
        partial.replace(target)


def _has(path: Path, file: FolderFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size_bytes


def _version(files: Iterable[FolderFile]) -> str:
    rows = sorted([f.path, f.size_bytes, f.etag or "", f.sha256 or ""] for f in files)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:_VERSION_DIGITS]


def _document(folder: LocalFolder) -> str:
    rows = [asdict(file) for _, file in sorted(folder.files.items())]
    return json.dumps({"schema": _SCHEMA, "files": rows}, indent=1) + "\n"


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield
