"""Hashes of files, remembered between calls, and manifests that say what the files must be."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import IntegrityError, ModelFormatError, UnsafeModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "MANIFEST_NAME",
    "SCHEMA",
    "Expected",
    "FactCache",
    "read_manifest",
    "sha256_of",
    "write_manifest",
]

logger = logging.getLogger(__name__)

#: A file of this name in a model's folder lists what the folder must hold.
MANIFEST_NAME = "ipfs-accelerate.manifest.json"
SCHEMA = "ipfs-accelerate/manifest/1"
_TABLES = """
CREATE TABLE IF NOT EXISTS hashes (
    path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS facts (
    sha256 TEXT NOT NULL, inspector TEXT NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (sha256, inspector));
"""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a manifest or the hub says about one file.

    Attributes:
        path: POSIX path relative to the folder.
        size_bytes: Its size; ``None`` when the source does not say.
        sha256: Hex digest; ``None`` when the source does not say.
        git_sha1: Git blob id, which the hub states for small files instead of a sha256.
        cid: Content identifier the file was fetched and verified by.
    """

    path: str
    size_bytes: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    cid: str | None = None


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file, read with a large buffer."""
    with path.open("rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class FactCache:
    """What is known about files by path and stamp, and about contents by sha256.

    A file counts as unchanged while its size, modification and change times and inode stay; the
    facts (parameters, inputs of a graph) hang on the content and survive copies. Losing the cache
    costs time only, so an unreadable one is started afresh.

    Args:
        path: The SQLite file; ``None`` remembers nothing beyond this object.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path if path is None or _is_writable(path.parent) else None
        self._memory = _open(":memory:") if self._path is None else None

    def sha256(self, file: Path, *, fresh: bool = False) -> str:
        """Hash of a file, from the cache unless the file changed or ``fresh`` is set."""
        stamp = _stamp(file)
        if not fresh:
            row = self._one("SELECT sha256 FROM hashes WHERE path=? AND stamp=?", str(file), stamp)
            if row is not None:
                return row
        digest = sha256_of(file)
        if _stamp(file) != stamp:
            raise IntegrityError(f"{file} changed while it was read", hint="try again")
        self._put("INSERT OR REPLACE INTO hashes VALUES (?,?,?)", str(file), stamp, digest)
        return digest

    def facts(self, sha256: str, inspector: str) -> dict[str, object] | None:
        """Facts stored for a content by an inspector (name and version), or ``None``."""
        row = self._one("SELECT facts FROM facts WHERE sha256=? AND inspector=?", sha256, inspector)
        return None if row is None else dict(json.loads(row))

    def remember(self, sha256: str, inspector: str, facts: Mapping[str, object]) -> None:
        """Store the facts of a content."""
        self._put(
            "INSERT OR REPLACE INTO facts VALUES (?,?,?)", sha256, inspector, json.dumps(facts)
        )

    def _one(self, query: str, *values: str) -> str | None:
        try:
            if self._memory is not None:
                row = self._memory.execute(query, values).fetchone()
            else:
                with closing(_open(self._path)) as connection:
                    row = connection.execute(query, values).fetchone()
        except sqlite3.Error as error:
            self._discard(error)
            return None
        return None if row is None else str(row[0])

    def _put(self, query: str, *values: str) -> None:
        try:
            if self._memory is not None:
                self._memory.execute(query, values)
            else:
                with closing(_open(self._path)) as connection, connection:
                    connection.execute(query, values)
        except sqlite3.Error as error:
            self._discard(error)

    def _discard(self, error: sqlite3.Error) -> None:
        logger.warning("fact cache %s is unusable (%s)", self._path, error)
        if self._path is not None and not isinstance(error, sqlite3.OperationalError):
            self._path.unlink(missing_ok=True)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("hashes are not remembered: %s", error)
        return False
    return os.access(folder, os.W_OK)


def _open(path: Path | str | None) -> sqlite3.Connection:
    connection = sqlite3.connect(
        str(path), timeout=10.0, isolation_level=None, check_same_thread=False
    )
    try:
        connection.executescript(_TABLES)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _stamp(file: Path) -> str:
    status = file.stat()
    parts = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
    return "/".join(str(part) for part in parts)


def read_manifest(path: Path) -> dict[str, Expected]:
    """Read a manifest.

    Raises:
        ModelFormatError: It is not a manifest.
        UnsafeModelError: It names a file outside its folder.
    """
    try:
        document = json.loads(path.read_bytes())
        rows = document["files"]
        if document["schema"] != SCHEMA:
            raise ModelFormatError(f"{path} has schema {document['schema']!r}, not {SCHEMA!r}")
        found = [
            Expected(
                str(row["path"]),
                row.get("size_bytes"),
                row.get("sha256"),
                row.get("git_sha1"),
                row.get("cid"),
            )
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFormatError(f"{path} is not a manifest: {error!r}") from error
    for entry in found:
        pure = PurePosixPath(entry.path)
        if pure.is_absolute() or ".." in pure.parts or "\\" in entry.path:
            raise UnsafeModelError(f"{path} names {entry.path!r}, which is outside its folder")
    return {entry.path: entry for entry in found}


def write_manifest(
    path: Path, files: Iterable[Expected], *, extra: Mapping[str, object] | None = None
) -> None:
    """Write a manifest atomically; ``extra`` are further fields of the document."""
    rows = [
        {
            name: value
            for name in ("path", "size_bytes", "sha256", "git_sha1", "cid")
            if (value := getattr(entry, name)) is not None
        }
        for entry in sorted(files, key=lambda entry: entry.path)
    ]
    document = {"schema": SCHEMA, **(extra or {}), "files": rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
