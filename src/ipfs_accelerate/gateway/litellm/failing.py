"""What LiteLLM's exceptions mean.

Where a service answered, the answer is put together again, and read as that of any other service.
Where none did, LiteLLM says "connection error" with status 500: the exceptions of the HTTP clients
below it, which it keeps as context, tell what it was. No word of theirs is repeated.

Source: LiteLLM documentation, "Exception Mapping".
"""

from __future__ import annotations

import json
import socket
import ssl
from typing import TYPE_CHECKING, Literal, overload

from ipfs_accelerate.errors import (
    ConnectivityError,
    DeadlineExceededError,
    MalformedAnswerError,
    ProviderFailedError,
    StreamStalledError,
    StreamTruncatedError,
)
from ipfs_accelerate.gateway.wire import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.errors import AccelerateError

__all__ = ["meaning"]

#: LiteLLM's class → the word of the OpenAI API for it, where LiteLLM has lost that.
_CODES = {
    "ContentPolicyViolationError": "content_policy_violation",
    "ContextWindowExceededError": "context_length_exceeded",
    "PaymentRequiredError": "insufficient_quota",
    "BudgetExceededError": "insufficient_quota",
}
_DETAILS: dict[str, object] = {"provider": "litellm"}


@overload
def meaning(error: Exception) -> HttpResponse | AccelerateError: ...
@overload
def meaning(error: Exception, *, is_begun: Literal[True]) -> AccelerateError: ...


def meaning(error: Exception, *, is_begun: bool = False) -> HttpResponse | AccelerateError:
    """The service's answer, or what kept it away.

    Args:
        error: Raised by one of LiteLLM's functions, or by a stream of it.
        is_begun: A stream was there already.
    """
    chain = tuple(_chain(error))
    found = _broken(chain, is_begun=is_begun)
    if found is not None:
        return found
    if is_begun:
        return ProviderFailedError("litellm failed in the middle of a stream", details=_DETAILS)
    status = getattr(error, "status_code", None)
    answer = {"message": str(error), "code": _code(error), "type": getattr(error, "type", None)}
    return HttpResponse(
        status if isinstance(status, int) and 400 <= status <= 599 else 500,
        _headers(chain),
        json.dumps({"error": answer}, default=str).encode(),
    )


def _broken(chain: tuple[BaseException, ...], *, is_begun: bool) -> AccelerateError | None:
    """What went wrong below HTTP's answers, or ``None``."""
    import aiohttp
    import httpx

    details = dict(_DETAILS)
    if _has(chain, json.JSONDecodeError):
        return MalformedAnswerError("an answer through litellm is not JSON", details=details)
    if _has(chain, aiohttp.ClientPayloadError, httpx.ReadError, httpx.RemoteProtocolError):
        return StreamTruncatedError("an answer through litellm ended early", details=details)
    if _has(chain, aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout):
        return _unreachable("connect_timeout")
    if _has(chain, TimeoutError, httpx.TimeoutException):
        kind = StreamStalledError if is_begun else DeadlineExceededError
        return kind("litellm had no answer in time", details=details)
    for kinds, name in (
        ((socket.gaierror, aiohttp.ClientConnectorDNSError), "dns"),
        ((ssl.SSLError, aiohttp.ClientSSLError), "tls"),
        ((ConnectionRefusedError, aiohttp.ClientConnectorError), "refused"),
        ((ConnectionResetError, BrokenPipeError, aiohttp.ServerDisconnectedError), "reset"),
        ((httpx.TransportError,), "other"),
    ):
        if _has(chain, *kinds):
            return _unreachable(name)
    return None


def _unreachable(kind: str) -> ConnectivityError:
    return ConnectivityError(
        f"litellm cannot reach the service ({kind})",
        hint="check the model's name, the address and that the service runs",
        details={**_DETAILS, "kind": kind},
    )


def _has(chain: tuple[BaseException, ...], *kinds: type[BaseException]) -> bool:
    return any(isinstance(one, kinds) for one in chain)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those it came of, each once."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        one = pending.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            pending += [one.__cause__, one.__context__, getattr(one, "original_exception", None)]


def _code(error: Exception) -> str | None:
    code = getattr(error, "code", None)
    return _CODES.get(type(error).__name__) or (code if isinstance(code, str) else None)


def _headers(chain: tuple[BaseException, ...]) -> dict[str, str]:
    """Those of the service's answer; LiteLLM keeps them in one place or another."""
    for one in chain:
        response = getattr(one, "response", None)
        places = (
            getattr(one, "litellm_response_headers", None),
            getattr(response, "headers", None),
            getattr(one, "headers", None),
        )
        for headers in places:
            if headers:
                return {str(name).lower(): str(value) for name, value in dict(headers).items()}
    return {}
