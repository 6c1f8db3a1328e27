"""The one place that speaks obstore: one client per endpoint, its errors read, its retries off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.content.objects.credentials import Keys, Redactor, find_keys
from ipfs_accelerate.content.objects.failures import failure_of
from ipfs_accelerate.errors import MissingExtraError

if TYPE_CHECKING:
    from threading import Event
    from types import ModuleType

    from obstore.store import ClientConfig, S3Config, S3Store

    from ipfs_accelerate.content.objects._interruptible import Loop
    from ipfs_accelerate.content.objects.endpoint import Endpoint

__all__ = ["Client", "ObjectInfo"]

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object at one endpoint.

    Attributes:
        key: Path in the bucket.
        size_bytes: Its size.
        etag: Names this version at this endpoint; it is no hash to rely on.
        modified: When it was written, UTC.
        sha256: Hex digest as the uploader stated it in the metadata; ``None`` in listings and
            where nobody did.
        endpoint: Who says so.
    """

    key: str
    size_bytes: int
    etag: str | None
    modified: datetime | None
    sha256: str | None = None
    endpoint: str = ""


class Client:
    """Requests to one endpoint; every failure is an `EndpointFailure`.

    Args:
        endpoint: With its bucket.
        loop: Runs the requests that can be broken off.
        read_timeout_s: Longest silence; the endpoint's when ``None``.

    Raises:
        MissingExtraError: obstore is not installed.
        AccessDeniedError: The endpoint's source of credentials has none.
    """

    def __init__(
        self, endpoint: Endpoint, loop: Loop, *, read_timeout_s: float | None = None
    ) -> None:
        keys = endpoint.keys or find_keys(endpoint.credentials, endpoint=endpoint.name)
        self._redact = Redactor(keys)
        self._obstore = _library()
        self._loop = loop
        self.name = endpoint.name
        self._store = _open(endpoint, keys, read_timeout_s or endpoint.read_timeout_s)

    def head(self, key: str) -> ObjectInfo:
        """Size, ETag and stated hash."""
        with self._failures():
            found = self._obstore.get(self._store, key, options={"head": True})
            return self._info(found.meta, found.attributes)

    def get(
        self,
        key: str,
        span: tuple[int, int],
        *,
        etag: str | None = None,
        cancel: Event | None = None,
    ) -> memoryview:
        """Bytes of a span, its end exclusive; of the version ``etag`` names, if given.

        Raises:
            Interrupted: ``cancel`` was set meanwhile.
        """
        options: dict[str, object] = {"range": span}
        if etag is not None:
            options["if_match"] = etag
        with self._failures():
            if cancel is None:
                return memoryview(self._obstore.get(self._store, key, options=options).bytes())
            return memoryview(self._loop.run(self._get(key, options), cancel))

    async def _get(self, key: str, options: Mapping[str, object]) -> Any:  # noqa: ANN401 (a buffer)
        found = await self._obstore.get_async(self._store, key, options=options)
        return await found.bytes_async()

    def put(
        self,
        key: str,
        source: bytes | Path,
        *,
        part_bytes: int,
        parallelism: int,
        metadata: Mapping[str, str],
    ) -> None:
        """Write an object, in parts when it is longer than one; a failure leaves none behind."""
        with self._failures():
            self._obstore.put(
                self._store,
                key,
                source,
                attributes=dict(metadata),
                chunk_size=part_bytes,
                max_concurrency=parallelism,
            )

    def iter_list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects below a prefix that ends at a ``/``, by key."""
        with self._failures():
            for page in self._obstore.list(self._store, prefix or None, chunk_size=_PAGE):
                for row in page:
                    yield self._info(row, {})

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there counts as deleted."""
        with self._failures():
            self._obstore.delete(self._store, key)

    def copy(self, key: str, target: str) -> None:
        """Copy inside the bucket, at the store."""
        with self._failures():
            self._obstore.copy(self._store, key, target)

    def _info(self, row: Mapping[str, Any], attributes: Mapping[str, Any]) -> ObjectInfo:
        stated = str(attributes.get("sha256", "")).lower()
        is_hash = len(stated) == 64 and set(stated) <= set("0123456789abcdef")
        return ObjectInfo(
            key=str(row["path"]),
            size_bytes=int(row["size"]),
            etag=row.get("e_tag"),
            modified=row.get("last_modified"),
            sha256=stated if is_hash else None,
            endpoint=self.name,
        )

    def _failures(self) -> _Failures:
        return _Failures(self._obstore, self._redact)


class _Failures:
    """Turns what obstore raises inside into an `EndpointFailure` without keys."""

    def __init__(self, library: ModuleType, redact: Redactor) -> None:
        self._kinds = (library.exceptions.BaseError, FileNotFoundError, ValueError)
        self._redact = redact

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, self._kinds) and isinstance(error, Exception):
            # the original text may hold keys that the store repeats, so it is not chained
            raise failure_of(error, self._redact) from None


def _library() -> ModuleType:
    try:
        import obstore
        import obstore.exceptions
    except ImportError as error:
        raise MissingExtraError("s3", needed_for="an S3 store", module="obstore") from error
    return obstore


def _open(endpoint: Endpoint, keys: Keys | None, read_timeout_s: float) -> S3Store:
    from obstore.store import S3Store

    config: S3Config = {
        "region": endpoint.region,
        "virtual_hosted_style_request": not endpoint.is_path_style,
        "skip_signature": endpoint.credentials == "anonymous" and keys is None,
        "disable_tagging": True,
    }
    if endpoint.checksum is not None:
        config["checksum_algorithm"] = endpoint.checksum
    if endpoint.url is not None:  # both, as either may stand in the environment
        config["endpoint"] = config["aws_endpoint_url_s3"] = _base(endpoint)
    options: ClientConfig = {
        "allow_http": (endpoint.url or "").startswith("http://"),
        "connect_timeout": timedelta(seconds=endpoint.connect_timeout_s),
        "read_timeout": timedelta(seconds=read_timeout_s),
        "timeout": timedelta(seconds=endpoint.request_timeout_s),
        "user_agent": "ipfs-accelerate",
    }
    return S3Store(
        endpoint.bucket,
        config=config,
        client_options=options,
        retry_config={"max_retries": 0},
        credential_provider=None if keys is None else _Provider(keys),
    )


def _base(endpoint: Endpoint) -> str:
    assert endpoint.url is not None
    url = endpoint.url.rstrip("/")
    if endpoint.is_path_style:
        return url
    scheme, _, host = url.partition("://")
    return f"{scheme}://{endpoint.bucket}.{host}"


class _Provider:
    """Hands fixed keys to the client, so that none comes from the environment beside them."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def __call__(self) -> Any:  # noqa: ANN401 (a dictionary type that exists for checkers only)
        return {
            "access_key_id": self._keys.access_key_id,
            "secret_access_key": self._keys.secret_access_key,
            "token": self._keys.session_token,
            "expires_at": None,
        }
