"""What all HTTP services have in common: addresses, bodies, and failures as typed errors."""

from __future__ import annotations

import json
from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from ipfs_accelerate.errors import (
    ConfigurationError,
    ContentRefusedError,
    InputError,
    MalformedAnswerError,
    StreamTruncatedError,
)
from ipfs_accelerate.gateway.messages import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    ImagePart,
    RerankRequest,
)
from ipfs_accelerate.gateway.providers._failures import Refusal, error_for, read_refusal
from ipfs_accelerate.gateway.providers._reading import Unreadable, members, read_json
from ipfs_accelerate.gateway.providers.protocol import Provider, RateReport
from ipfs_accelerate.gateway.wire import HttpRequest, duration_s, retry_after_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ipfs_accelerate.errors import AccelerateError
    from ipfs_accelerate.gateway.messages import Request, Response
    from ipfs_accelerate.gateway.wire import HttpResponse

__all__ = ["Service", "joined_body", "wait_s"]


_ASKED: dict[type[Request], str] = {
    ChatRequest: "messages",
    CompletionRequest: "prompts",
    EmbeddingRequest: "inputs",
    RerankRequest: "documents",
}
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Service(Provider):
    """A provider that speaks JSON over HTTP.

    Args:
        base_url: Root of the service. One without a path gets `api_root`; one with a path is taken
            as it is, so ``http://host:8000`` and ``http://host:8000/v1`` are the same for a service
            whose root is ``/v1``.
    """

    default_url: ClassVar[str | None] = None
    api_root: ClassVar[str] = ""

    def __init__(self, base_url: str | None = None) -> None:
        super().__init__(base_url)
        self.endpoint = _checked(self.base_url, self.name)
        if self.base_url == self.endpoint:
            self.base_url = self.endpoint + self.api_root

    def build(self, request: Request, *, key: str | None, is_stream: bool = False) -> HttpRequest:
        """See `Provider.build`."""
        self._check(request, is_stream=is_stream)
        path, body = self._body(request, is_stream=is_stream)
        try:
            return self._send("POST", path, key=key, body=_ENCODE(body).encode())
        except (ValueError, TypeError, RecursionError) as error:
            raise InputError(
                f"the request for {self.name} cannot be written as JSON",
                hint="look for numbers that are not finite, half characters and objects in extra",
                details={"provider": self.name},
            ) from error

    def parse(self, request: Request, response: HttpResponse) -> Response:
        """See `Provider.parse`; an answer that is an error is raised as what it says."""
        try:  # and not `reading`, for the sake of speed
            value = read_json(response.body)
            if type(value) is dict and value.get("error"):
                raise self.refused(Refusal(), value)
            return self._answer(request, value)
        except (Unreadable, MalformedAnswerError) as error:
            raise self.malformed(error) from error.__cause__

    def error(self, response: HttpResponse, *, now_s: float) -> AccelerateError:
        """See `Provider.error`."""
        wait_s = self.rates(response.headers, now_s=now_s).retry_after_s
        try:
            value = read_json(response.body)
        except Unreadable:
            value = None
        return self.refused(Refusal(status=response.status, retry_after_s=wait_s), value)

    def refused(self, known: Refusal, body: object) -> AccelerateError:
        """The error for a body that reports a failure."""
        return error_for(self._refusal(known, body), provider=self.name, endpoint=self.endpoint)

    def models(self, *, key: str | None) -> HttpRequest:
        """See `Provider.models`."""
        return self._send("GET", self._models_path(), key=key)

    def parse_models(self, response: HttpResponse) -> tuple[str, ...]:
        """See `Provider.parse_models`."""
        with self.reading():
            return self._model_names(members(read_json(response.body), "its list of models"))

    def rates(self, headers: Mapping[str, str], *, now_s: float) -> RateReport:
        """See `Provider.rates`."""
        return RateReport(retry_after_s=wait_s(headers, now_s=now_s))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Names the service in what is found unreadable within."""
        try:
            yield
        except (Unreadable, MalformedAnswerError) as error:
            raise self.malformed(error) from error.__cause__

    def malformed(self, error: Unreadable | MalformedAnswerError) -> MalformedAnswerError:
        """What was found unreadable, with the service's name."""
        if isinstance(error, MalformedAnswerError):
            error.details.update(self._place())
            return error
        return MalformedAnswerError(f"an answer of {self.name} {error}", details=self._place())

    def truncated(self, why: str) -> StreamTruncatedError:
        """A stream that stops before its end."""
        return StreamTruncatedError(f"a stream of {self.name} {why}", details=self._place())

    def filtered(self) -> ContentRefusedError:
        """A filter took the whole answer away."""
        return ContentRefusedError(
            f"a content filter of {self.name} took the answer away", details=self._place()
        )

    @abstractmethod
    def _body(self, request: Request, *, is_stream: bool) -> tuple[str, dict[str, object]]:
        """Path below the root, and body."""

    @abstractmethod
    def _answer(self, request: Request, value: object) -> Response:
        """The answer in a body of JSON."""

    @abstractmethod
    def _models_path(self) -> str:
        """Path below the root, or an absolute address."""

    @abstractmethod
    def _model_names(self, value: dict[str, object]) -> tuple[str, ...]:
        """The names in a list of models."""

    def _credentials(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}

    def _headers(self) -> dict[str, str]:
        """Sent with each request."""
        return {}

    def _refusal(self, known: Refusal, body: object) -> Refusal:
        return read_refusal(known, body)

    def _send(self, method: str, path: str, *, key: str | None, body: bytes = b"") -> HttpRequest:
        url = path if path.startswith(self.endpoint) else self.base_url + path
        headers = self._headers()
        if body:
            headers["Content-Type"] = "application/json"
        if key is not None:
            if not (key.isascii() and key.isprintable() and key == key.strip() and key):
                raise ConfigurationError(
                    f"a key for {self.name} is not a printable word",
                    hint="look for spaces and ends of lines around it",
                )
            headers.update(self._credentials(key))
        return HttpRequest(method, url, headers, body)

    def _place(self) -> dict[str, object]:
        return {"provider": self.name, "endpoint": self.endpoint}

    def _check(self, request: Request, *, is_stream: bool) -> None:
        able = self.capabilities
        if request.operation not in able.operations:
            raise self.unable(f"requests of kind {request.operation.value!r}")
        if not request.model or not request.model.isprintable():
            raise InputError(f"{request.model!r} is not a name of a model")
        if isinstance(request, ChatRequest):
            self._check_chat(request, is_stream=is_stream)
        elif is_stream:
            raise self.unable(f"streams for requests of kind {request.operation.value!r}")
        _check_filled(request)

    def _check_chat(self, request: ChatRequest, *, is_stream: bool) -> None:
        able = self.capabilities
        if is_stream and not able.has_streaming:
            raise self.unable("streams")
        if not able.has_tools and (request.tools or _has_calls(request)):
            raise self.unable("tools")
        for message in request.messages:
            if message.role not in {"system", "user", "assistant", "tool"}:
                raise InputError(f"{message.role!r} is not a role")
            if type(message.content) is tuple:
                self._check_images(message.content)

    def _check_images(self, content: tuple[object, ...]) -> None:
        for part in content:
            if not isinstance(part, ImagePart):
                continue
            if not self.capabilities.has_images:
                raise self.unable("images")
            if (part.url is None) == (part.data is None):
                raise InputError("an image has exactly one of url and data")
            if part.data is not None and not part.media_type:
                raise InputError("an image given as data needs its media_type, e.g. 'image/png'")

    def unable(self, what: str) -> InputError:
        """The refusal of a request that this service cannot express."""
        return InputError(
            f"{self.name} cannot express {what}",
            hint="let a route choose an endpoint that can, or leave it out",
            details={"provider": self.name},
        )


def joined_body(
    body: dict[str, object], extra: Mapping[str, object], ours: frozenset[str] = frozenset()
) -> dict[str, object]:
    """A body with the caller's further fields, which must not be fields that we write.

    An object in both, such as Ollama's ``options``, is joined by the same rule.
    """
    for name, value in extra.items():
        present = body.get(name)
        if name not in ours and isinstance(present, dict) and isinstance(value, dict):
            body[name] = joined_body(dict(present), value)
        elif name in body or name in ours:
            raise InputError(
                f"extra cannot hold {name!r}", hint="use the request's own field for it"
            )
        else:
            body[name] = value
    return body


def wait_s(headers: Mapping[str, str], *, now_s: float) -> float | None:
    """Seconds to wait, from ``retry-after-ms`` or ``Retry-After``.

    Source: OpenAI's and Anthropic's official clients read ``retry-after-ms`` first.
    """
    exact = headers.get("retry-after-ms")
    if exact is not None:
        seconds = duration_s(exact)
        if seconds is not None:
            return seconds / 1e3
    return retry_after_s(headers.get("retry-after"), now_s=now_s)


def _has_calls(request: ChatRequest) -> bool:
    return any(message.tool_calls or message.role == "tool" for message in request.messages)


def _check_filled(request: Request) -> None:
    name = _ASKED[type(request)]
    if not getattr(request, name):
        raise InputError(f"the request has no {name}")


def _checked(url: str, name: str) -> str:
    """Scheme and host of an address that can be used; nothing else of it is ever shown."""
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")  # refuses empty and endless parts of a name
        is_good = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.port != 0
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        is_good = False
        parts = urlsplit("")
    if not is_good:
        raise ConfigurationError(
            f"{name} needs a base_url that begins with http:// or https://",
            hint="for example http://localhost:8000",
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            f"the base_url for {name} holds more than scheme, host and path",
            hint="a key belongs under keys, where it is kept secret",
        )
    return f"{parts.scheme}://{parts.netloc}"
