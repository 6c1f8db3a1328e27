"""From strangers' bytes to a `Release`: every field has its type and bounds, or none is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.content.release.manifest import (
    MAX_FILES,
    SCHEMA,
    VERSION,
    HubCommit,
    Release,
    ReleaseFile,
)
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["as_map", "take", "to_release"]

T = TypeVar("T")


def to_release(body: object) -> Release:
    """Read the decoded body of a manifest.

    Raises:
        ContentFormatError: It is no release, or one of a newer version.
        ContentLimitError: It has more files than any may have.
        UnsafeModelError: It names a file outside its tree.
    """
    fields = as_map(body)
    if fields.get("schema") != SCHEMA:
        raise ContentFormatError(f"not a release: its schema is {fields.get('schema')!r}")
    if take(fields, "version", int) != VERSION:
        raise ContentFormatError(
            f"a release of version {fields.get('version')!r}; this program reads {VERSION}",
            hint="update ipfs-accelerate",
        )
    rows = take(fields, "files", list)
    if len(rows) > MAX_FILES:
        raise ContentLimitError(f"a release of {len(rows)} files; the limit is {MAX_FILES}")
    previous = _optional(fields, "previous", str)
    hub = _optional(fields, "hub", dict)
    return Release(
        name=take(fields, "name", str),
        tag=_optional(fields, "tag", str),
        s3=_optional(fields, "s3", str),
        tree=take(fields, "tree", Cid),
        profile=take(fields, "profile", str),
        created=take(fields, "created", str),
        previous=None if previous is None else Cid.parse(previous),
        hub=None
        if hub is None
        else HubCommit(take(hub, "repository", str), take(hub, "commit", str)),
        conversions=tuple(as_map(row) for row in take(fields, "conversions", list)),
        files=tuple(_file(as_map(row)) for row in rows),
    )


def take(fields: Mapping[str, object], name: str, kind: type[T]) -> T:
    """A field that must be of one type.

    Raises:
        ContentFormatError: It is not, or is missing.
    """
    value = fields.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ContentFormatError(
            f"the field {name!r} of a release is {str(value)[:60]!r}, not {kind.__name__}"
        )
    return value


def _optional(fields: Mapping[str, object], name: str, kind: type[T]) -> T | None:
    """A field that is of one type, or null."""
    return None if fields.get(name) is None else take(fields, name, kind)


def as_map(value: object) -> Mapping[str, object]:
    """A map, whatever is in it."""
    if not isinstance(value, dict):
        raise ContentFormatError(f"a release holds {str(value)[:60]!r} where a map must be")
    return value


def _file(row: Mapping[str, object]) -> ReleaseFile:
    digest = take(row, "sha256", bytes)
    return ReleaseFile(
        path=take(row, "path", str),
        size_bytes=take(row, "size", int),
        sha256=digest.hex(),
        root=take(row, "root", Cid),
        kind=_optional(row, "kind", str),
    )
