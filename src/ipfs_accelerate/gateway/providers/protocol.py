"""What a provider is: a translator between our vocabulary and one service's HTTP messages.

A provider does no input or output, reads no clock and keeps no state, so that every line of it can
be tested with recorded bytes. Sending, waiting, keys and retries are the business of others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.gateway.wire.retry_after import retry_after_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ipfs_accelerate.errors import AccelerateError
    from ipfs_accelerate.gateway.messages import (
        ChatChunk,
        ChatRequest,
        Operation,
        Request,
        Response,
    )
    from ipfs_accelerate.gateway.wire import HttpRequest, HttpResponse

__all__ = ["Capabilities", "ChunkParser", "Provider", "RateReport"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a service can do; a request beyond it is refused before anything is sent.

    Attributes:
        operations: Kinds of request it answers.
        has_streaming: Chat may be streamed.
        has_tools: Chat may call tools.
        has_images: Chat may see images.
        has_idempotency: A repeated request with the same key is not executed twice.
        has_prefill: A last message of the assistant is continued, not answered.
        needs_key: Requests without a key are refused.
        max_batch: Most inputs of one embedding request; ``None`` when no bound is stated.
    """

    operations: frozenset[Operation]
    has_streaming: bool = False
    has_tools: bool = False
    has_images: bool = False
    has_idempotency: bool = False
    has_prefill: bool = False
    needs_key: bool = False
    max_batch: int | None = None


@dataclass(frozen=True, slots=True)
class RateReport:
    """What an answer's headers tell about the limits of its key; ``None`` where they do not.

    Attributes:
        request_limit: Requests allowed in the service's window.
        request_remaining: Left of them.
        request_reset_s: Seconds until the allowance is whole again.
        token_limit: Tokens likewise.
        retry_after_s: Seconds to wait before the next request, from ``Retry-After``.
    """

    request_limit: int | None = None
    request_remaining: int | None = None
    request_reset_s: float | None = None
    token_limit: int | None = None
    token_remaining: int | None = None
    token_reset_s: float | None = None
    retry_after_s: float | None = None


class ChunkParser(ABC):
    """Reads one streamed answer; fed with bytes as they come, however they are cut."""

    @abstractmethod
    def feed(self, data: bytes) -> Iterable[ChatChunk]:
        """The pieces that are complete now; iterate to the end before feeding more.

        A piece that comes before a bad one is always delivered before the error is raised.

        Raises:
            MalformedAnswerError: A piece is not what the protocol promises.
            ProviderError: The service reports a failure inside the stream.
        """

    @abstractmethod
    def finish(self) -> Iterable[ChatChunk]:
        """The connection ended in order; the last pieces, if any.

        Raises:
            StreamTruncatedError: The stream has no end marker, or stops inside a piece.
        """


class Provider(ABC):
    """One kind of service.

    Args:
        base_url: Root of the service, without a slash at its end; ``None`` takes `default_url`.
    """

    name: ClassVar[str]
    default_url: ClassVar[str | None]
    capabilities: ClassVar[Capabilities]

    def __init__(self, base_url: str | None = None) -> None:
        self.base_url = (base_url or self.default_url or "").rstrip("/")

    @abstractmethod
    def build(self, request: Request, *, key: str | None, is_stream: bool = False) -> HttpRequest:
        """The HTTP request for ``request``.

        Raises:
            InputError: The request holds what this service cannot express.
        """

    @abstractmethod
    def parse(self, request: Request, response: HttpResponse) -> Response:
        """The answer in a response of status 200.

        Raises:
            MalformedAnswerError: It is not what the protocol promises, or not for this request.
            ContentRefusedError: A content filter took the answer away.
        """

    @abstractmethod
    def chunks(self, request: ChatRequest) -> ChunkParser:
        """A parser for the streamed answer to ``request``."""

    @abstractmethod
    def error(self, response: HttpResponse, *, now_s: float) -> AccelerateError:
        """What a response of another status means.

        Args:
            response: As received.
            now_s: Seconds since the epoch, for dates in ``Retry-After``.
        """

    def rates(self, headers: Mapping[str, str], *, now_s: float) -> RateReport:
        """What the headers tell about limits; services that tell nothing leave this as it is."""
        return RateReport(retry_after_s=retry_after_s(headers.get("retry-after"), now_s=now_s))

    @abstractmethod
    def models(self, *, key: str | None) -> HttpRequest:
        """A request that lists the models (or tells the one served); also the probe of life."""

    @abstractmethod
    def parse_models(self, response: HttpResponse) -> tuple[str, ...]:
        """The names in the answer to `models`.

        Raises:
            MalformedAnswerError: It is no such list.
        """
