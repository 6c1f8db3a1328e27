"""``s3://bucket/folder`` and ``s3://bucket/folder/model.onnx``: the hook that brings them here.

The folder may hold a manifest (`models.manifest`); then its files must be what it says. Else sizes
and ETags are those the store listed, and the hashes of what came are noted beside the files for
every later check. Pickles and code are never fetched.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ipfs_accelerate.config import load_settings
from ipfs_accelerate.errors import (
    ConnectivityError,
    ContentNotFoundError,
    IntegrityError,
    ModelNotFoundError,
    UnsafeModelError,
)
from ipfs_accelerate.plugins import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.content.objects import ObjectPool
    from ipfs_accelerate.content.objects.folders import FolderFile, LocalFolder
    from ipfs_accelerate.models.manifest import Expected
    from ipfs_accelerate.models.reference import ModelRef

__all__ = ["fetch_model", "ipfs_accelerate_resolve"]

_WEIGHTS = frozenset({"safetensors", "onnx", "gguf", "tflite", "openvino"})
_MAX_MANIFEST_BYTES = 16 * 2**20


@hookimpl
def ipfs_accelerate_resolve(ref: ModelRef, cache_dir: Path) -> Path | None:
    """Bring an ``s3://`` reference here; see the hook."""
    if str(ref.scheme) != "s3":
        return None
    from ipfs_accelerate.content.objects import ObjectPool, endpoints_for, endpoints_from

    settings = load_settings()
    bucket, _, prefix = ref.location.partition("/")
    home = cache_dir / "s3" / bucket / _slug(prefix)
    if settings.offline:
        return _offline(str(ref), home)
    configured = endpoints_from(settings.s3)
    with ObjectPool(endpoints_for(bucket, configured), routing="least_loaded") as pool:
        return fetch_model(pool, prefix, home).directory


def fetch_model(pool: ObjectPool, prefix: str, home: Path) -> LocalFolder:
    """Fetch the files of a model below a prefix, or one file with what belongs to it.

    Args:
        pool: Endpoints of the bucket.
        prefix: Folder, or key of one file.
        home: Folder of its versions here.

    Raises:
        ModelNotFoundError: There is nothing of that name.
        UnsafeModelError: The only weights are pickles, or a key leaves the folder.
        IntegrityError: No weights at all, or files that are not what the manifest says.
        AccelerateError: See `ObjectPool.head`.
    """
    from ipfs_accelerate.content.objects.folders import fetch_folder

    prefix = prefix.strip("/")
    files = _listed(pool, prefix)
    expected = _manifest(pool, files, home)
    chosen = _select(f"s3 folder {prefix!r}", files, expected)
    return fetch_folder(pool, chosen, home, finish=_note_hashes)


def _listed(pool: ObjectPool, prefix: str) -> dict[str, FolderFile]:
    """The files of the folder; for one object, those beside it that may belong to it."""
    from ipfs_accelerate.content.objects.folders import list_folder

    try:
        files = list_folder(pool, prefix)
    except ContentNotFoundError as error:
        raise ModelNotFoundError(
            f"there is nothing at {prefix!r}", hint=error.hint, details=error.details
        ) from error
    if {file.key for file in files.values()} != {prefix}:
        return files
    folder, name = str(PurePosixPath(prefix).parent), PurePosixPath(prefix).name
    beside = list_folder(pool, "" if folder == "." else folder)
    stem = PurePosixPath(name).stem
    return {
        path: file
        for path, file in beside.items()
        if "/" not in path
        and (not _is_weights(path, beside) or path.startswith((name, f"{stem}.")))
    } | files


def _is_weights(path: str, files: Mapping[str, FolderFile]) -> bool:
    from ipfs_accelerate.models.kinds import kinds_of

    return kinds_of(files)[path] in _WEIGHTS | {"onnx_data", "pytorch_bin"}


def _manifest(pool: ObjectPool, files: Mapping[str, FolderFile], home: Path) -> dict[str, Expected]:
    """What the folder's own manifest says; empty where there is none."""
    from ipfs_accelerate.models.manifest import MANIFEST_NAME, read_manifest

    file = files.get(MANIFEST_NAME)
    if file is None:
        return {}
    if file.size_bytes > _MAX_MANIFEST_BYTES:
        raise IntegrityError(f"the manifest has {file.size_bytes} bytes, too many for one")
    import tempfile

    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".manifest-") as here:
        path = Path(here) / MANIFEST_NAME
        path.write_bytes(pool.get(file.key, 0, file.size_bytes))
        return read_manifest(path)


def _select(
    what: str, files: Mapping[str, FolderFile], expected: Mapping[str, Expected]
) -> dict[str, FolderFile]:
    from dataclasses import replace

    from ipfs_accelerate.models.kinds import choose, kinds_of

    kinds = kinds_of(files)
    chosen = choose(dict.fromkeys(files)).placed
    if not any(kinds[path] in _WEIGHTS for path in chosen):
        _refuse(what, kinds)
    found: dict[str, FolderFile] = {}
    for path in chosen:
        stated = expected.get(path)
        if stated is not None and stated.size_bytes not in {None, files[path].size_bytes}:
            raise IntegrityError(
                f"{path} of {what} has {files[path].size_bytes} bytes, not"
                f" {stated.size_bytes} as its manifest says",
                hint="the upload is incomplete, or the manifest is of another version",
            )
        sha256 = (stated.sha256 if stated else None) or files[path].sha256
        found[path] = replace(files[path], sha256=sha256)
    missing = sorted(set(expected) - set(files))
    if missing:
        raise IntegrityError(f"{missing[0]} of {what} is in its manifest, but not in the store")
    return found


def _refuse(what: str, kinds: Mapping[str, str | None]) -> None:
    if "pytorch_bin" in kinds.values():
        raise UnsafeModelError(
            f"{what} offers only pickled weights; reading them can run code",
            hint="convert them to safetensors or ONNX where you trust them, and upload those",
        )
    raise IntegrityError(
        f"{what} holds no weights that can be used",
        hint="give the folder of a model in safetensors, ONNX, GGUF, TFLite or OpenVINO form",
        details={"files": sorted(kinds)[:50]},
    )


def _note_hashes(folder: LocalFolder) -> None:
    """Write the manifest that every later check compares the files with."""
    from ipfs_accelerate.models.manifest import MANIFEST_NAME, Expected, write_manifest

    write_manifest(
        folder.directory / MANIFEST_NAME,
        [Expected(f.path, f.size_bytes, f.sha256) for f in folder.files.values()],
        extra={"version": folder.version},
    )


def _offline(ref: str, home: Path) -> Path:
    from ipfs_accelerate.content.objects.folders import kept_folder

    kept = kept_folder(home)
    if kept is None:
        raise ConnectivityError(
            f"{ref} is not on this machine, and offline mode is on",
            hint=f"unset IPFS_ACCELERATE_OFFLINE and run: accel models fetch {ref}",
        )
    return kept.directory


def _slug(prefix: str) -> str:
    """A folder name for a prefix: readable, unique, and one path segment."""
    import hashlib

    readable = re.sub(r"[^A-Za-z0-9._-]+", "--", prefix.strip("/")).lstrip(".")[:80]
    return f"{readable}-{hashlib.sha256(prefix.strip('/').encode()).hexdigest()[:8]}"
