"""What went wrong at an endpoint, read from the client's own errors; never with a key."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import (
    AccelerateError,
    AccessDeniedError,
    ConnectivityError,
    ContentNotFoundError,
    InputError,
    IntegrityError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["EndpointFailure", "FailureKind", "failure_of", "verdict"]

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
_DENYING_CODES = {"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch",
                  "TokenRefreshRequired", "AuthorizationHeaderMalformed"}  # fmt: skip


class FailureKind(StrEnum):
    """What a failure says about the endpoint and about the object."""

    MISSING = "missing"
    DENIED = "denied"
    CHANGED = "changed"
    REFUSED = "refused"
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"

    @property
    def is_answer(self) -> bool:
        """The endpoint works; asking it again gives the same."""
        return self not in {FailureKind.THROTTLED, FailureKind.UNREACHABLE}


class EndpointFailure(Exception):  # noqa: N818 (a signal to the pool, never seen by users)
    """One request failed at one endpoint.

    Args:
        kind: What it means.
        reason: First line of the client's message without keys.
        status: HTTP status; ``None`` when there was no answer.
        code: S3 error code; ``None`` when the answer has none.
        hint: Better than the one of its kind.
    """

    def __init__(
        self,
        kind: FailureKind,
        reason: str,
        *,
        status: int | None = None,
        code: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.status = status
        self.code = code
        self.hint = hint
        self.endpoint = ""


def failure_of(error: Exception, redact: Callable[[str], str]) -> EndpointFailure:
    """Read what obstore raised.

    Args:
        error: Its class is one of obstore's, ``FileNotFoundError`` or ``ValueError``.
        redact: Takes keys out of the text: stores repeat them in their answers.
    """
    text = str(error)
    status_match, code_match = _STATUS.search(text), _CODE.search(text)
    status = int(status_match[1]) if status_match else None
    code = code_match[1] if code_match else None
    kind = _kind(type(error).__name__, status, code)
    said = " ".join(
        part for part in (f"HTTP status {status}" if status else "", code or "") if part
    )
    reason = said or redact(text.split("\n", 1)[0])[:200]
    return EndpointFailure(kind, reason, status=status, code=code)


def _kind(name: str, status: int | None, code: str | None) -> FailureKind:
    if code in _DENYING_CODES or name in {"PermissionDeniedError", "UnauthenticatedError"}:
        return FailureKind.DENIED
    if name == "FileNotFoundError" or status in {404, 410}:
        return FailureKind.MISSING
    if name in {"PreconditionError", "NotModifiedError"} or status in {412, 416}:
        return FailureKind.CHANGED
    if status in {429, 503} or code == "SlowDown":
        return FailureKind.THROTTLED
    is_refusal = status is not None and 400 <= status < 500 and status != 408
    if is_refusal or name in {"InvalidPathError", "NotSupportedError", "ValueError"}:
        return FailureKind.REFUSED
    return FailureKind.UNREACHABLE


def verdict(what: str, failures: Sequence[EndpointFailure]) -> AccelerateError:
    """One error for all endpoints that were asked.

    An endpoint that did not answer may hold the object, so silence outweighs "denied", and that
    outweighs "no such object".

    Args:
        what: Operation and key, named in the message.
        failures: Last failure of each endpoint, at least one.
    """
    order = [FailureKind.UNREACHABLE, FailureKind.THROTTLED, FailureKind.DENIED,
             FailureKind.CHANGED, FailureKind.REFUSED, FailureKind.MISSING]  # fmt: skip
    worst = min(failures, key=lambda failure: order.index(failure.kind))
    said = "; ".join(f"{failure.endpoint}: {failure.reason}" for failure in failures)
    details = {
        "endpoints": {failure.endpoint: failure.kind.value for failure in failures},
        "status": worst.status,
        "code": worst.code,
    }
    cls, message, hint = _VERDICTS[worst.kind]
    return cls(f"{what}: {message} ({said})", hint=worst.hint or hint, details=details)


_VERDICTS: dict[FailureKind, tuple[type[AccelerateError], str, str | None]] = {
    FailureKind.UNREACHABLE: (
        ConnectivityError, "no valid answer", "check the URL of the endpoint and the network"),
    FailureKind.THROTTLED: (
        ConnectivityError, "the store asks to slow down",
        "try again later, or set requests_per_s and max_concurrency of the endpoint"),
    FailureKind.DENIED: (
        AccessDeniedError, "access denied",
        "check the credentials of the endpoint and what they may do"),
    FailureKind.CHANGED: (
        IntegrityError, "the object changed while it was read", "read it again"),
    FailureKind.REFUSED: (InputError, "the store refuses the request", None),
    FailureKind.MISSING: (
        ContentNotFoundError, "no such object or bucket", "check the spelling of bucket and key"),
}  # fmt: skip
