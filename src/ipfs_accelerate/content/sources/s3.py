"""S3-compatible stores as a source: leaves are byte ranges of the objects of a release.

Which object holds the bytes of which DAG is said by a release, or by an object map: a JSON file
``{"schema": "ipfs-accelerate/object-map/1", "files": [{"cid", "key", "size_bytes", "sha256"}]}``.
Blocks are verified by whoever asked; an endpoint whose bytes were refused is distrusted, so that
the next attempt asks another.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.content.objects import Interrupted, Patience
from ipfs_accelerate.content.sources.protocol import SourceKind
from ipfs_accelerate.content.sources.ranges import OriginFile, RangeMap
from ipfs_accelerate.errors import (
    AccelerateError,
    BlockMismatchError,
    ContentFormatError,
    ContentLimitError,
    ContentNotFoundError,
    ModelReferenceError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from threading import Event

    from ipfs_accelerate.content.objects import ObjectPool
    from ipfs_accelerate.content.sources.protocol import Deliver, Want
    from ipfs_accelerate.content.sources.ranges import Span
    from ipfs_accelerate.hardware import Support

__all__ = ["S3Source", "read_object_map", "write_object_map"]

#: Bytes one request asks for.
SPAN_BYTES = 8 * 2**20
_SCHEMA = "ipfs-accelerate/object-map/1"
_MAX_MAP_BYTES = 64 * 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_PROBE_S = 10.0


class S3Source:
    """Blocks out of the objects of a pool of endpoints.

    Args:
        pool: The endpoints; `close` drops their connections, and they come back when used again.
        ranges: Which objects hold what; their paths are keys below ``prefix``.
        prefix: Folder of the release in the buckets.
        name: Told apart by; the endpoints and the prefix when ``None``.
    """

    kind = SourceKind.S3

    def __init__(
        self, pool: ObjectPool, ranges: RangeMap, *, prefix: str = "", name: str | None = None
    ) -> None:
        self._pool = pool
        self._ranges = ranges
        self._prefix = prefix.strip("/")
        self._name = name or "+".join(pool.names) + (f"/{self._prefix}" if self._prefix else "")

    @property
    def name(self) -> str:
        """``s3:endpoint+endpoint/prefix``."""
        return f"s3:{self._name}"

    def probe(self) -> Support:
        """See `Source.probe`: whether an endpoint lets us list the folder."""
        from ipfs_accelerate.hardware import Support

        try:
            self._pool.call(
                f"list of {self._prefix!r}",
                lambda client: next(client.iter_list(self._prefix), None),
                patience=Patience(_PROBE_S),
            )
        except AccelerateError as error:
            return Support.no(error.message, error.hint)
        return Support.yes(f"{self.name} answers")

    def available(self, wants: Sequence[Want]) -> list[bool | None]:
        """See `Source.available`: leaves of the files may be here, nothing else is."""
        return [None if self._ranges.locate(want) else False for want in wants]

    def fetch(
        self, wants: Sequence[Want], deliver: Deliver, *, cancel: Event, timeout_s: float
    ) -> None:
        """See `Source.fetch`."""
        for want in wants:
            if self._ranges.locate(want) is None:
                raise self._absent(want, "it is in none of its objects")
        patience = Patience(timeout_s, cancel)
        for span in self._ranges.spans(wants, longest_bytes=SPAN_BYTES):
            if cancel.is_set():
                return
            try:
                data, endpoint = self._read(span, patience)
            except Interrupted:
                return
            try:
                self._deliver(span, data, deliver, cancel)
            except BlockMismatchError:
                self._pool.distrust(endpoint)
                raise

    def close(self) -> None:
        """See `Source.close`."""
        self._pool.close()

    def _read(self, span: Span, patience: Patience) -> tuple[memoryview, str]:
        if span.start == span.end:  # an empty file: there is nothing to ask for
            return memoryview(b""), self._pool.names[0]
        key = f"{self._prefix}/{span.file.path}" if self._prefix else span.file.path
        try:
            return self._pool.get_from(key, (span.start, span.end), patience=patience)
        except ContentNotFoundError as error:
            raise self._absent(span.pieces[0].want, error.message) from error

    @staticmethod
    def _deliver(span: Span, data: memoryview, deliver: Deliver, cancel: Event) -> None:
        for piece in span.pieces:
            if cancel.is_set():
                return
            at = piece.offset - span.start
            deliver(piece.want, piece.block(data[at : at + piece.size_bytes]))

    def _absent(self, want: Want, why: str) -> ContentNotFoundError:
        return ContentNotFoundError(
            f"{self.name} does not have {want.cid}: {why}",
            details={"cid": str(want.cid), "source": self.name},
        )


def read_object_map(data: bytes) -> RangeMap:
    """Read an object map.

    Raises:
        ContentLimitError: It is larger than 64 MiB.
        ContentFormatError: It is no object map.
    """
    if len(data) > _MAX_MAP_BYTES:
        raise ContentLimitError(f"an object map of {len(data)} bytes; at most {_MAX_MAP_BYTES}")
    try:
        document = json.loads(data)
        if document["schema"] != _SCHEMA:
            raise ContentFormatError(f"schema {document['schema']!r} is not {_SCHEMA!r}")
        return RangeMap({Cid.parse(row["cid"]): _origin(row) for row in document["files"]})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ContentFormatError(f"not an object map: {error!r}") from error
    except ModelReferenceError as error:
        raise ContentFormatError(f"not an object map: {error.message}") from error


def _origin(row: dict[str, object]) -> OriginFile:
    key, size_bytes, sha256 = row["key"], row["size_bytes"], row["sha256"]
    is_valid = (
        isinstance(key, str)
        and key
        and isinstance(size_bytes, int)
        and not isinstance(size_bytes, bool)
        and size_bytes >= 0
        and isinstance(sha256, str)
        and _SHA256.match(sha256)
    )
    if not is_valid:
        raise ContentFormatError(f"not a row of an object map: {row!r}"[:300])
    assert isinstance(key, str)
    assert isinstance(size_bytes, int)
    assert isinstance(sha256, str)
    is_one_block = bool(row.get("is_one_block", Cid.parse(str(row["cid"])).codec == Codec.RAW))
    return OriginFile(key, size_bytes, sha256, is_one_block=is_one_block)


def write_object_map(files: Iterable[tuple[Cid, OriginFile]]) -> bytes:
    """The object map of these files, by key."""
    rows = [
        {
            "cid": str(root),
            "key": file.path,
            "size_bytes": file.size_bytes,
            "sha256": file.sha256,
            "is_one_block": file.is_one_block,
        }
        for root, file in sorted(files, key=lambda item: item[1].path)
    ]
    return (json.dumps({"schema": _SCHEMA, "files": rows}, indent=1) + "\n").encode()
