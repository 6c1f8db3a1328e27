"""A provider's case for the suite: what is asked, and what its service would send as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.messages import (
    ChatChunk,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Message,
    Request,
    RerankRequest,
    Tool,
    Usage,
)
from ipfs_accelerate.gateway.providers import Provider, RateReport

if TYPE_CHECKING:
    from ipfs_accelerate.errors import AccelerateError

__all__ = [
    "CHAT",
    "COMPLETION",
    "EMBEDDING",
    "PROMPT",
    "RERANK",
    "TOOLS",
    "ProviderCase",
    "Refused",
    "read_into",
    "read_stream",
]

PROMPT = "What is the capital of France?"
_WEATHER = Tool(
    "get_weather",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "Weather of a city",
)

CHAT = ChatRequest("m", (Message("system", "Be terse."), Message("user", PROMPT)), max_tokens=64)
TOOLS = ChatRequest("m", (Message("user", "Weather in Paris?"),), tools=(_WEATHER,))
COMPLETION = CompletionRequest("m", ("The capital of France is",), max_tokens=8)
EMBEDDING = EmbeddingRequest("m", ("one", "two"))
RERANK = RerankRequest("m", "capital of France", ("Berlin", "Rome", "Paris"))
_USAGE = Usage(12, 3)


@dataclass(frozen=True)
class Refused:
    """A refusal as the service words it, and the error it stands for."""

    status: int
    body: bytes
    error: type[AccelerateError]
    provider_code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProviderCase:
    """One provider and what its service would send; ``None`` where it cannot do it.

    Attributes:
        provider: To be tested.
        chat: Answer to `CHAT`: the text ``Paris.``.
        usage: Of ``chat`` and of ``stream``.
        stream: The same answer, streamed in several pieces.
        tools: Answer to `TOOLS`: ``get_weather`` with ``{"city": "Paris"}``.
        tool_stream: The same, streamed.
        embedding: Answer to `EMBEDDING`: ``(0.25, -0.5, 1.0)`` and ``(1.0, 0.0, -2.0)``.
        rerank: Answer to `RERANK`: the documents 2, 0, 1.
        completion: Answer to `COMPLETION`: the text `` Paris``.
        filtered: Answer of the content filter, without text.
        filtered_stream: Text, then the content filter.
        failed: An answer of status 200 that is an error, and which.
        failed_stream: Text, then an error, and which.
        bad_piece: A piece of a stream that is not JSON.
        has_end_marker: Its streams say themselves that they end.
        models: List of models.
        model_names: In it.
        refusals: As the service words them.
        rate_headers: Of an answer, and what they say.
        unexpressible: Requests that it cannot be asked.
    """

    provider: Provider
    chat: bytes | None = None
    usage: Usage = _USAGE
    stream: bytes | None = None
    tools: bytes | None = None
    tool_stream: bytes | None = None
    embedding: bytes | None = None
    rerank: bytes | None = None
    completion: bytes | None = None
    filtered: bytes | None = None
    filtered_stream: bytes | None = None
    failed: tuple[bytes, type[AccelerateError]] | None = None
    failed_stream: tuple[bytes, type[AccelerateError]] | None = None
    bad_piece: bytes = b"data: {oops\n\n"
    has_end_marker: bool = True
    models: bytes = b""
    model_names: tuple[str, ...] = ("m",)
    refusals: tuple[Refused, ...] = ()
    rate_headers: tuple[Mapping[str, str], RateReport] = field(
        default_factory=lambda: ({"retry-after": "2"}, RateReport(retry_after_s=2.0))
    )
    unexpressible: tuple[Request, ...] = ()


def read_stream(case: ProviderCase, pieces: Iterable[bytes]) -> list[ChatChunk]:
    """All pieces of an answer, or the error it ends in."""
    found: list[ChatChunk] = []
    read_into(found, case, pieces)
    return found


def read_into(found: list[ChatChunk], case: ProviderCase, pieces: Iterable[bytes]) -> None:
    """Append the pieces of an answer; those before an error are kept."""
    parser = case.provider.chunks(CHAT)
    for data in pieces:
        found.extend(parser.feed(data))
    found.extend(parser.finish())
