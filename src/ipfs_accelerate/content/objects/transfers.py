"""Whole files to and from a pool: many ranges at once, many parts at once, verified, resumed."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.content.objects._interruptible import Interrupted, Patience
from ipfs_accelerate.content.objects._partial import PartialFile
from ipfs_accelerate.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.content.objects._client import Client, ObjectInfo
    from ipfs_accelerate.content.objects.pool import ObjectPool

__all__ = ["PART_BYTES", "Download", "TransferOptions", "Version", "copy", "download", "upload"]

PART_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """How a file moves.

    Attributes:
        part_bytes: Bytes of one request; for uploads most stores want at least 5 MiB.
        parallelism: Requests at once; memory is their product.
        progress: Called with the bytes of each part of a download, from several threads.
        cancel: Stops a download soon after it is set.
    """

    part_bytes: int = PART_BYTES
    parallelism: int = 8
    progress: Callable[[int], None] | None = None
    cancel: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """What an object must be; ``None`` is unknown.

    Attributes:
        size_bytes: Its size.
        sha256: Hex digest of its bytes.
        etag: As an endpoint stated it. Another endpoint's copy counts as the same version when its
            ETag or its stated sha256 agrees.
    """

    size_bytes: int | None = None
    sha256: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """A file that was fetched.

    Attributes:
        path: Where it is.
        size_bytes: Its size.
        sha256: Hex digest of what was written.
        is_proven: The digest was stated by the caller or by the object's metadata, and matches.
        resumed_bytes: Bytes that were here from an earlier attempt.
        by_endpoint: Bytes each endpoint sent.
    """

    path: Path
    size_bytes: int
    sha256: str
    is_proven: bool
    resumed_bytes: int
    by_endpoint: dict[str, int]


def download(
    pool: ObjectPool,
    key: str,
    path: Path,
    *,
    version: Version | None = None,
    options: TransferOptions | None = None,
) -> Download:
    """Fetch an object to a file, from all endpoints that hold the same version at once.

    Versions count as the same when the stated sha256 are, or else the ETags. The file appears
    whole or not at all; parts that came are kept and the next call continues with them. Bytes that
    do not have their hash are fetched again from one endpoint after the other, and those that
    sent them are distrusted.

    Args:
        pool: Where to look.
        key: Path in the buckets.
        path: The file; its folder is made.
        version: What it must be; the one most endpoints have when ``None``.
        options: How; the default when ``None``.

    Raises:
        IntegrityError: Wrong size, wrong bytes at every endpoint, or it changed meanwhile.
        InterruptedError: ``cancel`` was set; what came is kept.
        DiskFullError: There is no space left; what came is kept.
        AccelerateError: See `ObjectPool.head`.
    """
    wanted = version or Version()
    infos = _same(pool.holders(key), wanted)
    return _download(pool, infos, path, options or TransferOptions(), sha256=wanted.sha256)


def _download(
    pool: ObjectPool,
    infos: list[ObjectInfo],
    path: Path,
    options: TransferOptions,
    *,
    sha256: str | None = None,
) -> Download:
    key = infos[0].key
    job = _Job(pool, key, path, options)
    expected = (sha256 or infos[0].sha256 or "").lower() or None
    one_by_one = [[info] for info in infos] if len(infos) > 1 else []
    found = ""
    for turn, among in enumerate([infos, *one_by_one]):
        found, resumed_bytes = job.fetch(among, is_fresh=turn > 0, expected=expected)
        if expected is None or found == expected:
            return Download(
                path,
                infos[0].size_bytes,
                found,
                is_proven=expected is not None,
                resumed_bytes=resumed_bytes,
                by_endpoint=dict(job.by_endpoint),
            )
        if len(among) == 1:
            pool.distrust(among[0].endpoint)
    raise IntegrityError(
        f"{key!r} has sha256 {found}, not {expected}, at every endpoint that has it",
        hint="the object is damaged, or not the one that was meant",
        details={"key": key, "expected": expected, "found": found},
    )


class _Job:
    """One download: what is fetched from whom."""

    def __init__(self, pool: ObjectPool, key: str, path: Path, options: TransferOptions) -> None:
        self.pool = pool
        self.key = key
        self.path = path
        self.options = options
        self.cancel = options.cancel or threading.Event()
        self.by_endpoint: Counter[str] = Counter()
        self._lock = threading.Lock()

    def fetch(
        self, infos: Sequence[ObjectInfo], *, is_fresh: bool, expected: str | None
    ) -> tuple[str, int]:
        """Fetch what is missing; place the file if it has its hash. Returns hash and resumed."""
        info = infos[0]
        with PartialFile(
            self.path,
            f"{expected or info.etag or info.modified}".replace("\n", " "),
            size_bytes=info.size_bytes,
            part_bytes=self.options.part_bytes,
        ) as file:
            if is_fresh:
                file.reset()
            missing = file.begin()
            missing_bytes = sum(end - start for start, end in map(file.range_of, missing))
            self._fetch_parts(file, missing, infos)
            found = file.sha256()
            if expected is None or found == expected:
                file.place()
            else:
                file.reset()
            return found, info.size_bytes - missing_bytes

    def _fetch_parts(
        self, file: PartialFile, parts: Sequence[int], infos: Sequence[ObjectInfo]
    ) -> None:
        """Keep ``parallelism`` parts in flight; the first failure lets those end and is raised."""
        queue, parallelism = iter(parts), self.options.parallelism
        with ThreadPoolExecutor(parallelism, thread_name_prefix="s3-part") as threads:
            running: set[Future[None]] = set()
            while True:
                while len(running) < parallelism and not self.cancel.is_set():
                    part = next(queue, None)
                    if part is None:
                        break
                    running.add(threads.submit(self._fetch_part, file, part, infos))
                if not running:
                    break
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        if self.cancel.is_set():
            raise InterruptedError(f"the download of {self.key!r} was cancelled")

    def _fetch_part(self, file: PartialFile, part: int, infos: Sequence[ObjectInfo]) -> None:
        if self.cancel.is_set():
            return
        try:
            data, endpoint = self.pool.get_from(
                self.key, file.range_of(part), at=infos, patience=Patience(cancel=self.cancel)
            )
        except Interrupted:
            return
        file.write(part, data)
        with self._lock:
            self.by_endpoint[endpoint] += len(data)
        if self.options.progress is not None:
            self.options.progress(len(data))


def upload(
    pool: ObjectPool,
    key: str,
    source: bytes | Path,
    *,
    endpoint: str | None = None,
    options: TransferOptions | None = None,
) -> ObjectInfo:
    """Write an object to one endpoint, and state its sha256 in the metadata.

    What is longer than one part goes up in parts; when one fails, the upload is aborted at
    the store and, unless ``endpoint`` says otherwise, tried at the next endpoint. The store checks
    every part by its checksum where the endpoint has one; the size is read back.

    Args:
        pool: Where to write.
        key: Path in the bucket.
        source: The bytes, or a file.
        endpoint: Which endpoint; the routing chooses when ``None``.
        options: How; the default when ``None``.

    Returns:
        The object as the endpoint then states it.

    Raises:
        IntegrityError: The file changed meanwhile, or the store states another size or hash.
        AccelerateError: See `ObjectPool.head`.
    """
    how = options or TransferOptions()
    size_bytes, digest = _measure(source)

    def request(client: Client) -> ObjectInfo:
        client.put(
            key,
            source,
            part_bytes=how.part_bytes,
            parallelism=how.parallelism,
            metadata={"sha256": digest},
        )
        pool.count(client.name, "written_bytes", size_bytes)
        return client.head(key)

    info = pool.call(f"put of {key!r}", request, endpoint=endpoint, size_bytes=size_bytes)
    after = _measure(source) if isinstance(source, Path) else (size_bytes, digest)
    if info.size_bytes != size_bytes or after != (size_bytes, digest):
        raise IntegrityError(
            f"{key!r} has {info.size_bytes} bytes at {info.endpoint}, not {size_bytes};"
            " the source changed while it was sent, or the store did not keep it",
            hint="upload it again",
        )
    return info


def copy(
    pool: ObjectPool,
    key: str,
    *,
    source: str,
    target: str,
    target_key: str | None = None,
    folder: Path | None = None,
) -> ObjectInfo:
    """Copy an object from one endpoint to another; inside one, the store does it.

    Between endpoints the object passes through a file on this machine, so that the target gets no
    byte before the whole has its stated hash.

    Args:
        pool: Has both endpoints.
        key: Path in the source's bucket.
        source: Name of the endpoint that has it.
        target: Name of the endpoint that gets it.
        target_key: Path there; the same when ``None``.
        folder: Where the file lies meanwhile; the system's temporary folder when ``None``.

    Raises:
        IntegrityError: The bytes do not have the stated hash or size.
        AccelerateError: See `ObjectPool.head`.
    """
    name = target_key or key
    if source == target:
        what = f"copy of {key!r} inside {source}"
        pool.call(what, lambda client: client.copy(key, name), endpoint=source)
        return pool.head(name, endpoint=target)
    with tempfile.TemporaryDirectory(dir=folder) as here:
        path = Path(here) / "object"
        _download(pool, [pool.head(key, endpoint=source)], path, TransferOptions())
        return upload(pool, name, path, endpoint=target)


def _measure(source: bytes | Path) -> tuple[int, str]:
    if isinstance(source, bytes):
        return len(source), hashlib.sha256(source).hexdigest()
    with source.open("rb", buffering=0) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return source.stat().st_size, digest


def _same(infos: Sequence[ObjectInfo], version: Version) -> list[ObjectInfo]:
    """Those of one version: the wanted one, else the one most endpoints have."""
    stated = {version.sha256} | {i.sha256 for i in infos if i.etag == version.etag}
    groups: dict[tuple[int, str], list[ObjectInfo]] = {}
    for info in infos:
        is_other = (
            version.size_bytes not in {None, info.size_bytes}
            or (version.sha256 is not None and info.sha256 not in {None, version.sha256})
            or (
                version.etag not in {None, info.etag}
                and (info.sha256 is None or info.sha256 not in stated)
            )
        )
        if not is_other:  # where the hash is known, the whole decides in the end
            mark = version.sha256 or info.sha256 or info.etag or info.endpoint
            groups.setdefault((info.size_bytes, mark), []).append(info)
    if groups:
        return max(groups.values(), key=len)
    raise IntegrityError(
        f"no endpoint has the version of {infos[0].key!r} that is wanted",
        hint="the object is truncated, or was replaced",
        details={
            "wanted": [version.size_bytes, version.sha256, version.etag],
            "found": {i.endpoint: [i.size_bytes, i.sha256, i.etag] for i in infos},
        },
    )
