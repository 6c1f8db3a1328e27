"""What services' refusals mean: status, error code and a few known words become a typed error.

The words of a service are read but never repeated: they can hold a piece of a key or of a prompt.
What is repeated is its code, and the name of the parameter it complains of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ipfs_accelerate.errors import (
    AccelerateError,
    AllowanceSpentError,
    ContentRefusedError,
    KeyRefusedError,
    MalformedAnswerError,
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    RateLimitedError,
    RequestRefusedError,
)

__all__ = ["Refusal", "error_for", "read_refusal"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a service says about a failure, in one form.

    Attributes:
        status: Of HTTP, or one stated in the body; ``None`` inside a stream or an answer of 200.
        codes: Its machine-readable words, the most exact one first.
        message: For people; looked at, never repeated.
        param: The parameter complained of.
        retry_after_s: Seconds to wait, where it says so.
    """

    status: int | None = None
    codes: tuple[str, ...] = ()
    message: str = ""
    param: str | None = None
    retry_after_s: float | None = None


# Letters only: keys and prompts echoed as a code have digits or spaces in them.
_SAFE_CODE = re.compile(r"[A-Za-z][A-Za-z_.\-]{0,47}", re.ASCII)
_SAFE_PARAM = re.compile(r"[A-Za-z][A-Za-z_.]{0,31}(\[\d{1,3}\][A-Za-z_.]{0,31}){0,4}", re.ASCII)
_SPENT_CODES = {"insufficient_quota", "billing_error", "billing_hard_limit_reached"}
_SPENT_WORDS = re.compile(r"(?i)credit balance|exceeded your (current|monthly) quota|PerDay")
_FILTER_CODES = {
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "moderation_blocked",
}
_MODEL_CODES = {"model_not_found", "model_decommissioned"}
_MODEL_WORDS = re.compile(
    r"(?i)\bmodels?\b|mediapipe graph definition|not supported for generatecontent"
)
_OVERLOADED_CODES = {"overloaded", "overloaded_error", "capacity_exceeded", "unhealthy"}
_KEY_CODES = {"invalid_api_key", "api_key_invalid"}
_LENGTH_CODES = {"context_length_exceeded", "string_above_max_length"}
_LENGTH_WORDS = re.compile(
    r"(?i)context (length|window|size)|prompt is too long|too many (input )?tokens"
    r"|max_(total|input)_(tokens|length)|must have less than \d+ tokens"
)

_STATUS_OF_CODE = {
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "failed_precondition": 400,
    "badrequesterror": 400,
    "bad_request": 400,
    "authentication_error": 401,
    "unauthenticated": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "not_found": 404,
    "notfounderror": 404,
    "request_too_large": 413,
    "validation": 422,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "api_error": 500,
    "server_error": 500,
    "internal": 500,
    "unavailable": 503,
    "service_unavailable": 503,
    "deadline_exceeded": 504,
    "timeout_error": 504,
}

_MEANINGS: dict[int, tuple[type[AccelerateError], str]] = {
    401: (KeyRefusedError, "does not accept the key"),
    403: (KeyRefusedError, "does not let the key do this"),
    408: (ProviderFailedError, "gave up waiting for the request"),
    409: (ProviderFailedError, "reports a conflict with another request"),
    424: (ProviderFailedError, "failed while running the model"),
    425: (ProviderFailedError, "is not ready for the request"),
    429: (RateLimitedError, "has had too many requests or tokens from this key"),
    498: (ProviderOverloadedError, "has no capacity left"),
    503: (ProviderOverloadedError, "is overloaded or starting"),
    529: (ProviderOverloadedError, "is overloaded"),
}
_REFUSED = (RequestRefusedError, "refuses the request")
_FAILED = (ProviderFailedError, "failed")


def error_for(refusal: Refusal, *, provider: str, endpoint: str) -> AccelerateError:
    """The typed error for a refusal.

    400, 413, 422 and other 4xx are `RequestRefusedError`; 401 and 403 `KeyRefusedError`; 404 about
    a model `ModelNotFoundError`; 408, 409, 424 and 425 `ProviderFailedError`; 429
    `RateLimitedError`, of a service that says "overloaded" `ProviderOverloadedError`, of spent
    credit or a day's quota `AllowanceSpentError` (402 too); 498, 503 and 529
    `ProviderOverloadedError`; other 5xx, and failures without a status, `ProviderFailedError`.

    Source: error pages of the API references named in each provider.
    """
    codes = {code.lower() for code in refusal.codes}
    status = refusal.status or next(
        (_STATUS_OF_CODE[c] for c in codes if c in _STATUS_OF_CODE), 500
    )
    kind, phrase = _by_words(refusal, codes, status) or _by_status(status)
    details: dict[str, object] = {"provider": provider, "endpoint": endpoint}
    if refusal.status is not None:
        details["status"] = refusal.status
    code = next((c for c in refusal.codes if _SAFE_CODE.fullmatch(c)), None)
    if code is not None:
        details["provider_code"] = code
    if refusal.param is not None and _SAFE_PARAM.fullmatch(refusal.param):
        details["param"] = refusal.param
    if refusal.retry_after_s is not None:
        details["retry_after_s"] = refusal.retry_after_s
    stated = [
        str(details[name]) for name in ("status", "provider_code", "param") if name in details
    ]
    message = f"{provider} {phrase}" + (f" ({', '.join(stated)})" if stated else "")
    return kind(message, hint=_hint(kind, refusal, codes, status), details=details)


def read_refusal(known: Refusal, body: object) -> Refusal:
    """What a body says in one of the usual forms; whatever else it is says nothing.

    Read are ``{"error": {"message", "type", "code", "param"}}``, ``{"error": "text",
    "error_type"}``, ``{"message", "type", "code"}`` and FastAPI's ``{"detail": "text"}``, and the
    status of ``code`` or ``http_status_code`` where HTTP gave none.
    """
    outer = body if type(body) is dict else {}
    error = outer.get("error")
    inner: dict[str, object] = error if type(error) is dict else outer
    inner_more = inner.get("innererror")
    deeper: dict[str, object] = inner_more if type(inner_more) is dict else {}
    words = (
        deeper.get("code"),
        inner.get("code"),
        inner.get("type"),
        inner.get("status"),
        outer.get("error_type"),
    )
    message = error if type(error) is str else inner.get("message", outer.get("detail"))
    param = inner.get("param")
    status = _status(inner.get("http_status_code")) or _status(inner.get("code"))
    return Refusal(
        known.status if known.status is not None else status,
        tuple(word for word in words if type(word) is str and word),
        message if type(message) is str else "",
        param if type(param) is str else None,
        known.retry_after_s,
    )


def _by_words(
    refusal: Refusal, codes: set[str], status: int
) -> tuple[type[AccelerateError], str] | None:
    if codes & _FILTER_CODES:
        return ContentRefusedError, "refuses the content of the request"
    if status == 402 or codes & _SPENT_CODES or _is_spent(refusal, status):
        return AllowanceSpentError, "says that the allowance or credit of the key is used up"
    if codes & _OVERLOADED_CODES:
        return ProviderOverloadedError, "is overloaded"
    if codes & _KEY_CODES:
        return _MEANINGS[401]
    if codes & _MODEL_CODES or (status == 404 and _MODEL_WORDS.search(refusal.message)):
        return ModelNotFoundError, "does not have the model"
    return None


def _is_spent(refusal: Refusal, status: int) -> bool:
    return status in {400, 403, 429} and _SPENT_WORDS.search(refusal.message) is not None


def _by_status(status: int) -> tuple[type[AccelerateError], str]:
    if status < 300:
        return MalformedAnswerError, "answers with a status that its protocol does not know"
    if status < 400:
        return RequestRefusedError, "answers with a redirection, which is not followed"
    return _MEANINGS.get(status, _REFUSED if status < 500 else _FAILED)


def _hint(
    kind: type[AccelerateError], refusal: Refusal, codes: set[str], status: int
) -> str | None:
    if codes & _LENGTH_CODES or _LENGTH_WORDS.search(refusal.message):
        return "the request is longer than the model's context; shorten it or lower max_tokens"
    if kind is RequestRefusedError and (status < 400 or status == 404):
        return "check base_url"
    if kind is KeyRefusedError:
        return "check the key and what it may use"
    if kind is ModelNotFoundError:
        return "ask the endpoint for its models"
    return None


def _status(value: object) -> int | None:
    return value if type(value) is int and 400 <= value <= 599 else None
