"""What every answer must keep to, whichever service wrote it.

- An answer of the filter without text or tool calls is a `ContentRefusedError`; with text it is an
  answer which ends in `FinishReason.CONTENT_FILTER`. Streams are treated alike.
- An answer with neither text nor tool calls is legal only when the service says that it spent
  tokens on it (a model may end at once, or think until its limit); otherwise it is malformed.
- Tool calls make `FinishReason.TOOL_CALLS` out of `FinishReason.STOP`, as services differ in it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import MalformedAnswerError
from ipfs_accelerate.gateway.messages import (
    ChatChunk,
    ChatResponse,
    EmbeddingResponse,
    FinishReason,
    Message,
    Ranked,
    RerankResponse,
    ToolCall,
    ToolCallPart,
    Usage,
)
from ipfs_accelerate.gateway.providers._reading import (
    Unreadable,
    count,
    items,
    maybe_text,
    members,
    number,
    text,
    vector,
)
from ipfs_accelerate.gateway.providers.protocol import ChunkParser

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import EmbeddingRequest, RerankRequest
    from ipfs_accelerate.gateway.providers._service import Service

__all__ = [
    "StreamEnd",
    "chat_response",
    "embedding_response",
    "finish_reason",
    "indexed_vectors",
    "names_of",
    "rerank_response",
]

_FINISHED = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "eos_token": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
}


def finish_reason(
    value: object, known: Mapping[str, FinishReason] = _FINISHED
) -> FinishReason | None:
    """Why an answer ends; ``None`` while it has not ended."""
    if value is None or value == "":
        return None
    found = known.get(text(value, "the reason of its end"))
    if found is None:
        raise Unreadable("ends for a reason that its protocol does not know")
    return found


def chat_response(service: Service, answer: ChatResponse) -> ChatResponse:
    """``answer``, held to the rules."""
    message = answer.message
    finish = _settled(
        service,
        answer.finish_reason,
        has_calls=bool(message.tool_calls),
        has_any=bool(message.content or message.tool_calls),
        usage=answer.usage,
    )
    if finish is answer.finish_reason:
        return answer
    return ChatResponse(answer.model, message, finish, answer.usage, answer.id)


def _settled(
    service: Service, finish: FinishReason, *, has_calls: bool, has_any: bool, usage: Usage | None
) -> FinishReason:
    if not has_any:
        if finish is FinishReason.CONTENT_FILTER:
            raise service.filtered()
        if usage is None or not usage.completion_tokens:
            raise Unreadable(
                "holds nothing: neither text nor a tool call, and no tokens were spent"
            )
    if has_calls and finish is FinishReason.STOP:
        return FinishReason.TOOL_CALLS
    return finish


class StreamEnd(ChunkParser):
    """The part that parsers of all services share: what is known of the end, and the last piece.

    The one piece with a ``finish_reason`` comes when the service's end marker has come, with the
    usage if there is any. So whoever has that piece has the whole answer; a stream that stops
    after the reason of its end but before its marker is truncated. All services of the OpenAI
    dialect document ``data: [DONE]``.

    A service's parser gives the pieces of bytes in `_pieces`, notes what it learns in `finish`,
    `usage`, `model` and `id`, and sets `is_ended` at the end marker.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.is_ended = False
        self.finish_reason: FinishReason | None = None
        self.usage: Usage | None = None
        self.model: str | None = None
        self.id: str | None = None
        self._has_text = False
        self._calls: set[int] = set()

    def feed(self, data: bytes) -> Iterator[ChatChunk]:
        """See `ChunkParser.feed`; what follows the end marker is not looked at."""
        if self.is_ended:
            return
        try:
            yield from self._pieces(data)
            yield from self._ends()
        except (Unreadable, MalformedAnswerError) as error:
            raise self.service.malformed(error) from error.__cause__

    def finish(self) -> Iterable[ChatChunk]:
        """See `ChunkParser.finish`."""
        if self.is_ended:
            return ()
        with self.service.reading():
            return self._close()

    def piece(self, content: str, calls: tuple[ToolCallPart, ...] = ()) -> ChatChunk:
        """A piece to deliver."""
        for call in calls:
            if call.index not in self._calls:
                if not call.name:
                    raise Unreadable("begins a tool call without a name")
                self._calls.add(call.index)
        self._has_text = self._has_text or bool(content)
        return ChatChunk(content, calls, None, None, self.model, self.id)

    @abstractmethod
    def _pieces(self, data: bytes) -> Iterator[ChatChunk]:
        """The pieces that ``data`` completes, up to the end marker."""

    def _ends(self) -> Iterable[ChatChunk]:
        return (self._last(),) if self.is_ended else ()

    def _close(self) -> Iterable[ChatChunk]:
        """The last pieces when the connection ends without an end marker."""
        raise self.service.truncated("ends without its end marker")

    def _last(self) -> ChatChunk:
        if self.finish_reason is None:
            raise self.service.truncated("ends without the reason of its end")
        finish = _settled(
            self.service,
            self.finish_reason,
            has_calls=bool(self._calls),
            has_any=self._has_text or bool(self._calls),
            usage=self.usage,
        )
        return ChatChunk("", (), finish, self.usage, self.model, self.id)


def embedding_response(
    request: EmbeddingRequest,
    model: str,
    vectors: tuple[tuple[float, ...], ...],
    usage: Usage = Usage(),  # noqa: B008 — frozen
) -> EmbeddingResponse:
    """``vectors`` as the answer, if they can be the answer to ``request``."""
    if len(vectors) != len(request.inputs):
        raise Unreadable(f"has {len(vectors)} embeddings for {len(request.inputs)} inputs")
    dimensions = len(vectors[0])
    if any(len(one) != dimensions for one in vectors):
        raise Unreadable("has embeddings of different lengths")
    if request.dimensions not in {None, dimensions}:
        raise Unreadable(f"has {dimensions} dimensions where {request.dimensions} were asked for")
    return EmbeddingResponse(model, vectors, usage)


def indexed_vectors(data: object) -> tuple[tuple[float, ...], ...]:
    """Vectors in the order of their ``index``."""
    found: dict[int, tuple[float, ...]] = {}
    for place, one in enumerate(items(data, "its embeddings")):
        entry = members(one, "an embedding's entry")
        index = count(entry.get("index", place), "an embedding's index")
        if index is None or index in found:
            raise Unreadable("has an embedding twice, or one without its index")
        found[index] = vector(entry.get("embedding"))
    if found.keys() != set(range(len(found))):
        raise Unreadable("skips the index of an embedding")
    return tuple(found[index] for index in range(len(found)))


def rerank_response(
    request: RerankRequest,
    model: str,
    results: object,
    *,
    score_name: str = "relevance_score",
    usage: Usage = Usage(),  # noqa: B008 — frozen
) -> RerankResponse:
    """Places out of a list of indexes with scores, best first and no more than were asked for."""
    ranked: dict[int, Ranked] = {}
    for one in items(results, "its results"):
        entry = members(one, "a result")
        index = count(entry.get("index"), "a result's index")
        if index is None or index >= len(request.documents) or index in ranked:
            raise Unreadable("ranks a document twice, or one that was not given")
        ranked[index] = Ranked(index, number(entry.get(score_name), "a result's score"))
    asked = len(request.documents)
    if request.top_n is not None:
        asked = min(asked, request.top_n)
    if len(ranked) < asked:
        raise Unreadable(f"ranks {len(ranked)} documents where {asked} were asked for")
    best = sorted(ranked.values(), key=lambda place: -place.score)
    return RerankResponse(model, tuple(best[:asked]), usage)


def names_of(entries: object, member: str, change: Callable[[str], str] = str) -> tuple[str, ...]:
    """The names in a list of models."""
    listed = items(entries, "its list of models")
    return tuple(change(text(members(e, "a model").get(member), "a model's name")) for e in listed)


def assistant(content: str | None, calls: tuple[ToolCall, ...] = ()) -> Message:
    """The assistant's turn."""
    return Message("assistant", content or "", calls)


def model_of(value: dict[str, object], asked: str, member: str = "model") -> str:
    """The model as the answer names it; as it was asked for where the answer does not."""
    return maybe_text(value.get(member), "its model") or asked
