"""What is asked of a model service and what it answers, whoever the provider is.

The one vocabulary between callers, providers, the reliability core and the server. Values are
frozen and carry no provider's spelling; what a service offers beyond it travels in ``extra``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ChatChunk",
    "ChatRequest",
    "ChatResponse",
    "CompletionRequest",
    "CompletionResponse",
    "Content",
    "EmbeddingRequest",
    "EmbeddingResponse",
    "FinishReason",
    "ImagePart",
    "Message",
    "Operation",
    "Ranked",
    "Request",
    "RerankRequest",
    "RerankResponse",
    "Response",
    "Role",
    "TextPart",
    "Tool",
    "ToolCall",
    "ToolCallPart",
    "Usage",
]

Role = Literal["system", "user", "assistant", "tool"]


class Operation(StrEnum):
    """Kinds of request."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    RERANK = "rerank"


class FinishReason(StrEnum):
    """Why an answer ends; the names of the OpenAI API."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of text in a message."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image in a message; exactly one of ``url`` and ``data`` is set.

    Attributes:
        url: An ``https:`` address which the service fetches itself.
        data: The bytes of the file.
        media_type: Of ``data``, e.g. ``image/png``.
        detail: ``low``, ``high`` or ``auto``, for services that know it.
    """

    url: str | None = None
    data: bytes | None = None
    media_type: str | None = None
    detail: str | None = None


Content = str | tuple[TextPart | ImagePart, ...]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model wants called; ``arguments`` is JSON as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who speaks.
        content: Text, or text and images; empty where there are only tool calls.
        tool_calls: Of an assistant's turn.
        tool_call_id: Of a tool's turn: the call it answers.
        name: Of the speaker, or of the tool.
    """

    role: Role
    content: Content = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None

    @property
    def text(self) -> str:
        """The text of all parts, joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may ask for; ``parameters`` is its JSON schema."""

    name: str
    parameters: Mapping[str, object]
    description: str | None = None
    is_strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A conversation to continue.

    Attributes:
        model: As the provider names it; a route's name before routing.
        messages: Oldest first.
        max_tokens: Of the answer; ``None`` leaves it to the service (Claude: 4,096).
        tool_choice: ``auto``, ``none``, ``required`` or the name of a tool.
        response_format: As in the OpenAI API: ``{"type": "json_schema", "json_schema": {...}}``.
        extra: Further fields put into the body as they are, in the provider's spelling.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    response_format: Mapping[str, object] | None = None
    user: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    operation = Operation.CHAT


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """Texts to continue, each for itself."""

    model: str
    prompts: tuple[str, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    operation = Operation.COMPLETION


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts to turn into vectors."""

    model: str
    inputs: tuple[str, ...]
    dimensions: int | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    operation = Operation.EMBEDDING


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """Documents to order by how well they answer a query."""

    model: str
    query: str
    documents: tuple[str, ...]
    top_n: int | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    operation = Operation.RERANK


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the service counted them; ``None`` where it does not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None

    @property
    def total_tokens(self) -> int | None:
        """Both together; ``None`` when one is unknown."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """A whole answer.

    Attributes:
        model: As the service named it in its answer.
        message: The assistant's turn.
        id: The service's id of the answer; ``None`` where it has none.
    """

    model: str
    message: Message
    finish_reason: FinishReason
    usage: Usage = Usage()
    id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A piece of a tool call in a stream; pieces of one ``index`` are joined in order."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class ChatChunk:
    """A piece of a streamed answer.

    The last piece of a whole answer, and only that, has a ``finish_reason``; ``usage`` comes with
    it or, where the service sends it later, in one more piece after it.
    """

    text: str = ""
    tool_calls: tuple[ToolCallPart, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    model: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class CompletionResponse:
    """One text for each prompt, in their order."""

    model: str
    texts: tuple[str, ...]
    finish_reasons: tuple[FinishReason, ...]
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class EmbeddingResponse:
    """One vector for each input, in their order."""

    model: str
    vectors: tuple[tuple[float, ...], ...]
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document's place; ``index`` counts the request's documents from 0."""

    index: int
    score: float


@dataclass(frozen=True, slots=True)
class RerankResponse:
    """Documents, best first."""

    model: str
    results: tuple[Ranked, ...]
    usage: Usage = Usage()


Request = ChatRequest | CompletionRequest | EmbeddingRequest | RerankRequest
Response = ChatResponse | CompletionResponse | EmbeddingResponse | RerankResponse
