"""A folder of records: the newest of each name."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from ipfs_accelerate.content.naming.names import name_of, parse_name
from ipfs_accelerate.content.naming.signing import publish, signing_key, verify
from ipfs_accelerate.errors import ContentFormatError, SignatureError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.naming.record import IpnsRecord

__all__ = ["RecordStore"]

_SUFFIX = ".ipns-record"


class RecordStore:
    """Records in files, one a name; safe for several processes.

    Args:
        directory: Made where it does not exist.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._directory / ".lock")

    def get(self, name: Cid, now: datetime | None = None) -> IpnsRecord | None:
        """The newest record, verified again; ``None`` when there is none that holds now.

        Raises:
            InputError: The name is not one of an Ed25519 key.
        """
        try:
            return verify(name, self._path(name).read_bytes(), now)
        except (FileNotFoundError, SignatureError, ContentFormatError):
            return None

    def put(self, name: Cid, raw: bytes, now: datetime | None = None) -> IpnsRecord:
        """Keep a record unless a newer one is here; returns the newer.

        Raises:
            SignatureError: See `verify`, as for the others.
            ContentFormatError: It is no record.
            InputError: The name is not one of an Ed25519 key.
        """
        record = verify(name, raw, now)
        with self._lock:
            return self._keep(name, record, now)

    def publish(
        self,
        key: Ed25519PrivateKey | bytes,
        value: str,
        *,
        lifetime: timedelta = timedelta(days=2),
        now: datetime | None = None,
    ) -> tuple[Cid, IpnsRecord]:
        """Point the key's name at ``value`` with the next sequence number.

        Raises:
            InputError: The value is no content path.
        """
        private = signing_key(key)
        name = name_of(private.public_key().public_bytes_raw())
        moment = now or datetime.now(UTC)
        with self._lock:
            sequence = self._last_sequence(name) + 1
            _, record = publish(private, value, sequence=sequence, lifetime=lifetime, now=moment)
            return name, self._keep(name, record, moment)

    def __iter__(self) -> Iterator[Cid]:
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            yield parse_name(path.name.removesuffix(_SUFFIX))

    def _keep(self, name: Cid, record: IpnsRecord, now: datetime | None) -> IpnsRecord:
        kept = self.get(name, now)
        if kept is not None and not record.is_newer_than(kept):
            return kept
        path = self._path(name)
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(record.raw)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        return record

    def _last_sequence(self, name: Cid) -> int:
        """Also of a record that has expired: its number must not be used again."""
        try:
            long_ago = datetime(1970, 1, 1, tzinfo=UTC)
            return verify(name, self._path(name).read_bytes(), long_ago).sequence
        except (FileNotFoundError, SignatureError, ContentFormatError):
            return -1

    def _path(self, name: Cid) -> Path:
        return self._directory / f"{parse_name(str(name))}{_SUFFIX}"
