"""What the Hub's client raises, in the product's own errors; never with a token or a signed URL."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import (
    AccelerateError,
    AccessDeniedError,
    ConnectivityError,
    DiskFullError,
    ModelNotFoundError,
    ModelReferenceError,
)
from ipfs_accelerate.models.retry import Transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["WrongSize", "disk_space_for", "not_a_hub", "translate"]

_REPEATABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
_ACCESS_HINT = (
    "create a token with read access, accept the model's terms on its page if it has any,"
    " and set HF_TOKEN"
)


class WrongSize(Exception):  # noqa: N818 (a signal to the caller, never seen by users)
    """The client noticed that the body has another length than was announced."""


def translate(error: Exception, what: str) -> Exception | None:
    """The error to raise instead, or ``None`` when it is none of the client's.

    Args:
        error: As raised by `huggingface_hub`.
        what: Model and revision, named in the message.
    """
    kinds = {cls.__name__ for cls in type(error).__mro__}
    if "LocalEntryNotFoundError" in kinds and isinstance(error.__cause__, Exception):
        return translate(error.__cause__, what)
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if isinstance(status, int):
        return _from_status(status, getattr(response, "headers", {}), kinds, what)
    if kinds & {"TransportError", "LocalEntryNotFoundError"} or isinstance(error, ConnectionError):
        return _from_transport(error, kinds)
    return _from_rest(error, kinds, what)


@contextmanager
def disk_space_for(what: str) -> Iterator[None]:
    """Turn a full disk into its error.

    Raises:
        DiskFullError: A write inside failed for lack of space.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise _disk_full(what) from error


def _disk_full(what: str) -> DiskFullError:
    return DiskFullError(
        f"no space left while fetching {what}",
        hint="free some space, or point IPFS_ACCELERATE_HOME elsewhere",
    )


def not_a_hub(what: str) -> ConnectivityError:
    """What answers is something else, such as a proxy's own page."""
    return ConnectivityError(
        f"what answers for {what} does not speak the hub's protocol",
        hint="check IPFS_ACCELERATE_HUB_ENDPOINT; a proxy may be answering in its place",
    )


def _from_status(
    status: int, headers: Mapping[str, str], kinds: set[str], what: str
) -> Exception | None:
    details = {"status": status, "model": what}
    if status in _REPEATABLE:
        return Transient(f"HTTP status {status}", retry_after_ns=_retry_after_ns(headers))
    if status in {401, 403}:
        return AccessDeniedError(
            f"access to {what} is denied (HTTP status {status}): it is private, gated, or does"
            " not exist",
            hint=_ACCESS_HINT,
            details=details,
        )
    if status in {404, 410}:
        noun = "revision" if "RevisionNotFoundError" in kinds else "model"
        noun = "file" if "EntryNotFoundError" in kinds else noun
        return ModelNotFoundError(
            f"the hub has no such {noun}: {what}",
            hint="check the spelling of org/name@revision; a private model needs HF_TOKEN",
            details=details,
        )
    return ConnectivityError(f"the hub answered {what} with HTTP status {status}", details=details)


def _retry_after_ns(headers: Mapping[str, str]) -> int | None:
    """Seconds of ``Retry-After``; a date is not supported and gives ``None``.

    Source: RFC 9110, section 10.2.3.
    """
    value = str(headers.get("Retry-After", "")).strip()
    return int(value) * 1_000_000_000 if value.isdigit() else None


def _from_transport(error: Exception, kinds: set[str]) -> Exception:
    if kinds & {"UnsupportedProtocol", "ProxyError"}:
        return ConnectivityError(
            f"the hub cannot be reached: {type(error).__name__}",
            hint="check IPFS_ACCELERATE_HUB_ENDPOINT and the proxy settings",
        )
    return Transient(f"connection failed ({type(error).__name__})")


def _from_rest(error: Exception, kinds: set[str], what: str) -> AccelerateError | Exception | None:
    if "OfflineModeIsEnabled" in kinds:
        return ConnectivityError(f"{what} is not here and HF_HUB_OFFLINE is set")
    if "FileMetadataError" in kinds or "JSONDecodeError" in kinds or "InvalidURL" in kinds:
        return not_a_hub(what)
    if "HFValidationError" in kinds:
        return ModelReferenceError(f"not a hub id: {what}")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return _disk_full(what)
    if isinstance(error, OSError) and str(error).startswith("Consistency check failed"):
        return WrongSize(str(error).splitlines()[0])
    return None
