"""From errors of the product to status and body of the OpenAI API.

Source: platform.openai.com/docs/guides/error-codes.
"""

from __future__ import annotations

import math

from ipfs_accelerate import errors
from ipfs_accelerate.errors import AccelerateError, AllProvidersFailedError

__all__ = ["error_body", "error_status", "error_type", "retry_after"]

#: The nearest class in an error's ancestry decides.
_STATUS: dict[type[AccelerateError], int] = {
    errors.UnknownModelError: 404,
    errors.ModelNotFoundError: 404,
    errors.UsageError: 400,
    errors.ContentRefusedError: 400,
    errors.RequestRefusedError: 400,
    errors.RateLimitedError: 429,
    errors.QueueFullError: 429,
    errors.DeadlineExceededError: 504,
    errors.KeyRefusedError: 502,
    errors.MalformedAnswerError: 502,
    errors.ProviderFailedError: 502,
    errors.StreamStalledError: 504,
    errors.UnavailableError: 503,
    errors.ProviderError: 503,
    AccelerateError: 500,
}
#: Type of the error body by status.
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


def error_type(status: int) -> str:
    """The type which OpenAI's clients expect with a status."""
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")


def error_status(error: AccelerateError) -> int:
    """The status of an answer to a request that ended in this error."""
    return next(_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS)


def error_body(error: AccelerateError) -> dict[str, object]:
    """The body likewise; how each try went is told by code alone."""
    status = error_status(error)
    body: dict[str, object] = {
        "message": str(error),
        "type": error_type(status),
        "param": error.details.get("param"),
        "code": "model_not_found" if status == 404 else error.code,
    }
    if isinstance(error, AllProvidersFailedError):
        body["attempts"] = error.details.get("attempts", [])
    return {"error": body}


def retry_after(error: AccelerateError) -> dict[str, str]:
    """The header that says when to come back, where that is known."""
    wait_s = error.details.get("retry_after_s")
    if not isinstance(wait_s, (int, float)) or not math.isfinite(wait_s):
        return {}
    return {"Retry-After": str(math.ceil(wait_s))}
