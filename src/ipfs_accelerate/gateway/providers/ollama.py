"""Ollama's own API: JSON lines, images in base64, tool calls whose arguments are objects.

Its chats know no ``tool_choice`` but ``auto`` and ``none``, no strict tools and no images by
address; one request completes one prompt, in the model's template unless ``extra`` says
``raw``. Parameters of the runtime, like ``num_ctx``, go into ``options`` in ``extra``. Tool calls
without an id get one that is new in the conversation.

Untested against the real service: it was written from the public description.

Source: Ollama documentation, "API reference" (``/api/chat``, ``/api/generate``, ``/api/embed``,
``/api/tags``), "Streaming", "Tool calling", "Structured outputs", "Errors".
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.gateway.messages import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    CompletionRequest,
    CompletionResponse,
    EmbeddingRequest,
    FinishReason,
    ImagePart,
    Operation,
    ToolCallPart,
    Usage,
)
from ipfs_accelerate.gateway.providers._answers import (
    StreamEnd,
    assistant,
    chat_response,
    embedding_response,
    finish_reason,
    model_of,
    names_of,
)
from ipfs_accelerate.gateway.providers._calls import (
    call_arguments,
    calls_before,
    name_of_result,
    read_call,
)
from ipfs_accelerate.gateway.providers._failures import Refusal
from ipfs_accelerate.gateway.providers._openai_body import put, schema_of, tool_body
from ipfs_accelerate.gateway.providers._reading import (
    Unreadable,
    count,
    items,
    maybe_text,
    members,
    read_json,
    text,
    vector,
)
from ipfs_accelerate.gateway.providers._service import Service, joined_body
from ipfs_accelerate.gateway.providers.protocol import Capabilities
from ipfs_accelerate.gateway.wire import NdjsonParser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ipfs_accelerate.gateway.messages import Message, Request, Response, ToolCall
    from ipfs_accelerate.gateway.providers.protocol import ChunkParser

__all__ = ["Ollama"]


class Ollama(Service):
    """The service."""

    name = "ollama"
    default_url: ClassVar[str | None] = "http://localhost:11434"
    capabilities = Capabilities(
        operations=frozenset({Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING}),
        has_streaming=True,
        has_tools=True,
        has_images=True,
    )

    def chunks(self, request: ChatRequest) -> ChunkParser:
        """See `Provider.chunks`."""
        return _OllamaStream(self, calls_before(request))

    def _body(self, request: Request, *, is_stream: bool) -> tuple[str, dict[str, object]]:
        ours = frozenset({"stream"})
        if isinstance(request, ChatRequest):
            body = self._chat_body(request, is_stream=is_stream)
            return "/api/chat", joined_body(body, request.extra, ours)
        if isinstance(request, CompletionRequest):
            if len(request.prompts) != 1:
                raise self.unable("several prompts in one request")
            body = {"model": request.model, "prompt": request.prompts[0], "stream": False}
            _put_options(body, request)
            return "/api/generate", joined_body(body, request.extra, ours)
        assert isinstance(request, EmbeddingRequest)
        body = {"model": request.model, "input": list(request.inputs)}
        put(body, dimensions=request.dimensions)
        return "/api/embed", joined_body(body, request.extra)

    def _chat_body(self, request: ChatRequest, *, is_stream: bool) -> dict[str, object]:
        if request.tool_choice not in {None, "auto", "none"}:
            raise self.unable(f"the tool choice {request.tool_choice!r}")
        if any(tool.is_strict for tool in request.tools):
            raise self.unable("strict tools")
        body: dict[str, object] = {
            "model": request.model,
            "messages": [self._message(request, place) for place in range(len(request.messages))],
            "stream": is_stream,
        }
        _put_options(body, request)
        if request.tools and request.tool_choice != "none":
            body["tools"] = [tool_body(tool) for tool in request.tools]
        if (request.response_format or {}).get("type") == "json_object":
            body["format"] = "json"
        else:
            put(body, format=schema_of(self, request.response_format))
        return body

    def _message(self, request: ChatRequest, place: int) -> dict[str, object]:
        message = request.messages[place]
        body: dict[str, object] = {"role": message.role, "content": message.text}
        images = [] if isinstance(message.content, str) else self._images(message)
        if images:
            body["images"] = images
        if message.tool_calls:
            body["tool_calls"] = [
                {"id": call.id, "function": {"name": call.name, "arguments": _object(call)}}
                for call in message.tool_calls
            ]
        if message.role == "tool":
            body["tool_name"] = name_of_result(request, place)
            put(body, tool_call_id=message.tool_call_id)
        return body

    def _images(self, message: Message) -> list[str]:
        images = [part for part in message.content if isinstance(part, ImagePart)]
        if any(image.data is None for image in images):
            raise self.unable("images by their address")
        return [base64.b64encode(image.data or b"").decode() for image in images]

    def _answer(self, request: Request, value: object) -> Response:
        answer = members(value, "its whole")
        model = model_of(answer, request.model)
        if isinstance(request, EmbeddingRequest):
            vectors = tuple(map(vector, items(answer.get("embeddings"), "its embeddings")))
            tokens = count(answer.get("prompt_eval_count"), "its count of tokens")
            return embedding_response(request, model, vectors, Usage(tokens))
        reason = _reason(answer)
        if reason is None:
            raise Unreadable("does not say that it is done")
        usage = _usage(answer)
        if isinstance(request, CompletionRequest):
            content = text(answer.get("response"), "its text")
            if not content and not usage.completion_tokens:
                raise Unreadable("holds nothing: no text, and no tokens were spent")
            return CompletionResponse(model, (content,), (reason,), usage)
        assert isinstance(request, ChatRequest)
        content, calls = _turn(answer, calls_before(request))
        return chat_response(
            self, ChatResponse(model, assistant(content, tuple(calls)), reason, usage)
        )

    def _models_path(self) -> str:
        return "/api/tags"

    def _model_names(self, value: dict[str, object]) -> tuple[str, ...]:
        return names_of(value.get("models"), "name")


class _OllamaStream(StreamEnd):
    """Reads lines until the one that is ``done``; each tool call comes whole."""

    def __init__(self, service: Service, calls: int) -> None:
        super().__init__(service)
        self._lines = NdjsonParser()
        self._first_call = calls
        self._calls_begun = 0

    def _pieces(self, data: bytes) -> Iterator[ChatChunk]:
        for line in self._lines.feed(data):
            chunk = self._read(line)
            if chunk is not None:
                yield chunk
            if self.is_ended:
                return

    def _close(self) -> Iterable[ChatChunk]:
        """The last line may lack its end; if it is no line at all, the stream was cut."""
        found: list[ChatChunk | None] = []
        try:
            found.append(self._read(self._lines.rest()))
        except Unreadable as error:
            raise self.service.truncated("ends without its end marker") from error
        if not self.is_ended:
            raise self.service.truncated("ends without its end marker")
        return [chunk for chunk in (*found, self._last()) if chunk is not None]

    def _read(self, line: bytes) -> ChatChunk | None:
        value = members(read_json(line), "a line")
        if value.get("error"):
            raise self.service.refused(Refusal(), value)
        self.model = self.model or maybe_text(value.get("model"), "its model")
        content, calls = _turn(value, self._first_call + self._calls_begun)
        parts = tuple(
            ToolCallPart(self._calls_begun + place, call.id, call.name, call.arguments)
            for place, call in enumerate(calls)
        )
        self._calls_begun += len(parts)
        chunk = self.piece(content, parts) if content or parts else None
        self.finish_reason = _reason(value)
        if self.finish_reason is not None:
            self.is_ended = True
            self.usage = _usage(value)
        return chunk


def _put_options(body: dict[str, object], request: ChatRequest | CompletionRequest) -> None:
    options = put(
        {},
        num_predict=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.seed,
        stop=list(request.stop) or None,
    )
    if options:
        body["options"] = options


def _turn(value: dict[str, object], first_call: int) -> tuple[str, list[ToolCall]]:
    message = members(value.get("message"), "a message")
    content = maybe_text(message.get("content"), "its text") or ""
    listed = items(message.get("tool_calls") or [], "its tool calls")
    return content, [_call(one, first_call + place) for place, one in enumerate(listed)]


def _call(value: object, number: int) -> ToolCall:
    call = members(value, "a tool call")
    function = members(call.get("function"), "a tool call's function")
    identity = maybe_text(call.get("id"), "a tool call's id")
    return read_call(identity, function.get("name"), function.get("arguments"), number)


def _object(call: ToolCall) -> dict[str, object]:
    return call_arguments(call.arguments)


def _reason(value: dict[str, object]) -> FinishReason | None:
    if value.get("done") is not True:
        return None
    return finish_reason(value.get("done_reason")) or FinishReason.STOP


def _usage(value: dict[str, object]) -> Usage:
    return Usage(
        count(value.get("prompt_eval_count"), "its count of tokens"),
        count(value.get("eval_count"), "its count of tokens"),
    )
