"""Names under ``/ipns/``: of keys, out of a folder of verified records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ipfs_accelerate.content.naming import IpnsRecord, parse_name
from ipfs_accelerate.content.serving.paths import ContentPath
from ipfs_accelerate.content.serving.routes import RefusedError
from ipfs_accelerate.errors import ContentFormatError, ContentNotFoundError

if TYPE_CHECKING:
    from ipfs_accelerate.content.naming import RecordStore

__all__ = ["Names", "Resolution"]

#: Names that point at names, one after the other.
_MAX_HOPS = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name leads to.

    Attributes:
        path: The content.
        record: That of the name itself.
        cache_control: As long as every record on the way allows.
    """

    path: ContentPath
    record: IpnsRecord
    cache_control: str


class Names:
    """Looks names up.

    Args:
        records: ``None`` where none are served.
    """

    def __init__(self, records: RecordStore | None) -> None:
        self._records = records

    def record(self, path: ContentPath) -> Resolution:
        """The record of the name itself.

        Raises:
            ContentNotFoundError: There is none that holds now.
            InputError: It is no name.
            RefusedError: With status 501: it is a domain.
        """
        record = self._get(path.root)
        return Resolution(path, record, _cache_control(_fresh_s(record)))

    def resolve(self, path: ContentPath) -> Resolution:
        """Follow a name, and names it points at, down to content.

        Raises:
            ContentNotFoundError: One has no record that holds now, or there are more than 4.
            ContentFormatError: One points at something that is no content path.
        """
        first = record = self._get(path.root)
        fresh_s = _fresh_s(record)
        segments = path.segments
        for _ in range(_MAX_HOPS):
            namespace, root, below = _target(record)
            segments = (*below, *segments)
            if namespace == "ipfs":
                found = ContentPath(namespace, root, segments, path.is_folder)
                return Resolution(found, first, _cache_control(fresh_s))
            record = self._get(root)
            fresh_s = min(fresh_s, _fresh_s(record))
        raise ContentNotFoundError(f"{path.root} leads through more than {_MAX_HOPS} names")

    def _get(self, root: str) -> IpnsRecord:
        if "." in root:
            raise RefusedError(
                501, f"{root!r} is a domain: DNSLink is not resolved here, only names of keys"
            )
        name = parse_name(root)
        record = self._records.get(name) if self._records is not None else None
        if record is None:
            raise ContentNotFoundError(f"no valid record of {name} is here")
        return record


def _target(record: IpnsRecord) -> tuple[str, str, tuple[str, ...]]:
    parts = record.value.split("/")
    is_path = len(parts) > 2 and not parts[0] and parts[1] in {"ipfs", "ipns"} and parts[2]
    if not is_path or {".", ".."} & set(parts):
        raise ContentFormatError(f"a record points at {record.value[:100]!r}")
    return parts[1], parts[2], tuple(part for part in parts[3:] if part)


def _fresh_s(record: IpnsRecord) -> int:
    left_s = record.expires_ns // 10**9 - (datetime.now(UTC) - _EPOCH) // timedelta(seconds=1)
    return max(0, min(record.ttl_ns // 10**9, left_s))


def _cache_control(fresh_s: int) -> str:
    return f"public, max-age={fresh_s}"
