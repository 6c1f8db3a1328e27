"""Endpoints: one bucket at one S3-compatible store, and how it may be used."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ipfs_accelerate.content.objects.credentials import Keys
from ipfs_accelerate.errors import ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Endpoint", "endpoints_for", "endpoints_from"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_KEY_FIELDS = ("access_key_id", "secret_access_key", "session_token")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One bucket at one store.

    Attributes:
        name: Unique in a pool; named in statistics and errors.
        bucket: ``None`` leaves it to the reference (`with_bucket`).
        url: Base URL; ``None`` is Amazon's of the region.
        region: Signed into requests; most other stores take any.
        credentials: See `credentials.find_keys`; ``anonymous`` sends unsigned requests.
        keys: Explicit keys; they win over ``credentials``.
        path_style: Bucket in the path instead of the host name; ``None`` does so where a URL is
            given.
        max_concurrency: Requests in flight.
        weight: Share of the requests relative to the other endpoints.
        requests_per_s: Most requests; ``None`` is no limit.
        bytes_per_s: Most bytes of bodies, both ways together; ``None`` is no limit.
        connect_timeout_s: To a connection.
        read_timeout_s: Longest silence.
        request_timeout_s: Of one request as a whole; large objects are many requests.
        checksum: Sent with uploads for the store to check: ``sha256``, ``crc64nvme``, or ``None``
            for stores that do not know them.
    """

    name: str
    bucket: str | None = None
    url: str | None = None
    region: str = "us-east-1"
    credentials: str = "environment"
    keys: Keys | None = field(default=None, repr=False)
    path_style: bool | None = None
    max_concurrency: int = 16
    weight: float = 1.0
    requests_per_s: float | None = None
    bytes_per_s: float | None = None
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 20.0
    request_timeout_s: float = 300.0
    checksum: str | None = "sha256"

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ConfigurationError(f"not a name for an endpoint: {self.name!r}")
        if self.url is not None:
            self._check_url(self.url)
        for name in ("max_concurrency", "weight", "requests_per_s", "bytes_per_s",
                     "connect_timeout_s", "read_timeout_s", "request_timeout_s"):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"endpoint {self.name!r}: {name} is {value}, not above 0")
        if self.checksum not in {None, "sha256", "crc64nvme"}:
            raise ConfigurationError(
                f"endpoint {self.name!r}: no such checksum: {self.checksum!r}",
                hint="sha256 or crc64nvme; leave it out for stores that know neither",
            )

    def _check_url(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(
                f"endpoint {self.name!r}: not a base URL of a store", hint="https://host[:port]"
            )
        if parts.username or parts.password or parts.query:
            raise ConfigurationError(
                f"endpoint {self.name!r}: the URL holds credentials or a query",
                hint="credentials belong into the environment or a profile",
            )

    @property
    def is_path_style(self) -> bool:
        """Whether the bucket stands in the path."""
        return self.path_style if self.path_style is not None else self.url is not None

    def with_bucket(self, bucket: str) -> Endpoint:
        """This endpoint for another bucket."""
        return replace(self, bucket=bucket)


def endpoints_from(settings: Mapping[str, object]) -> list[Endpoint]:
    """Endpoints from the setting ``s3``: tables ``[s3.endpoints.NAME]``.

    Every attribute of `Endpoint` is a key; ``access_key_id``, ``secret_access_key`` and
    ``session_token`` make its keys.

    Example:
        >>> table = {"endpoints": {"lab": {"url": "https://s3.lab", "bucket": "models"}}}
        >>> endpoints_from(table)[0].bucket
        'models'

    Raises:
        ConfigurationError: A value outside its domain.
        UnknownNameError: A key that does not exist.
    """
    for key in settings:
        if key != "endpoints":
            raise UnknownNameError(f"s3.{key}", ["s3.endpoints"])
    tables = settings.get("endpoints", {})
    if not isinstance(tables, Mapping):
        raise ConfigurationError(f"s3.endpoints is no table of endpoints but {type(tables)}")
    return [_endpoint(str(name), table) for name, table in tables.items()]


def _endpoint(name: str, table: object) -> Endpoint:
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"endpoint {name!r} is not a table of settings")
    values = dict(table)
    keys = {key: values.pop(key) for key in _KEY_FIELDS if key in values}
    known = {f.name for f in fields(Endpoint)} - {"name", "keys"}
    for key in values:
        if key not in known:
            raise UnknownNameError(str(key), known | set(_KEY_FIELDS))
    if keys and not all(isinstance(value, str) for value in keys.values()):
        raise ConfigurationError(f"endpoint {name!r}: keys are text")
    if keys:
        values["keys"] = Keys(**{"access_key_id": "", "secret_access_key": "", **keys})
    try:
        return Endpoint(name, **values)
    except TypeError as error:
        raise ConfigurationError(f"endpoint {name!r}: a value has the wrong type") from error


def endpoints_for(
    bucket: str,
    configured: Sequence[Endpoint] = (),
    *,
    environment: Mapping[str, str] | None = None,
) -> list[Endpoint]:
    """Endpoints that may hold a bucket: those configured for it or for any, else the environment's.

    Args:
        bucket: Name in the reference.
        configured: From the settings.
        environment: ``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``, ``AWS_REGION``,
            ``AWS_DEFAULT_REGION``, ``AWS_SKIP_SIGNATURE``; ``os.environ`` when ``None``.
    """
    chosen = [
        endpoint.with_bucket(bucket) for endpoint in configured if endpoint.bucket in {None, bucket}
    ]
    if chosen:
        return chosen
    variables = os.environ if environment is None else environment
    is_anonymous = variables.get("AWS_SKIP_SIGNATURE", "").lower() in {"1", "true", "yes"}
    return [
        Endpoint(
            "environment",
            bucket,
            url=variables.get("AWS_ENDPOINT_URL_S3") or variables.get("AWS_ENDPOINT_URL") or None,
            region=variables.get("AWS_REGION")
            or variables.get("AWS_DEFAULT_REGION")
            or "us-east-1",
            credentials="anonymous" if is_anonymous else "environment",
        )
    ]
