"""Tokens of a request, estimated before it is sent, for allowances of tokens.

An estimate and nothing else: what was used is what the service counts.

Source: OpenAI help centre, "What are tokens and how to count them": one token is about four
characters of English text. Bytes of UTF-8 take the place of characters, as byte-level tokenisers
spend more tokens on characters outside ASCII. An image is counted as OpenAI's documentation "Images
and vision" counts one in low detail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.messages import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    ImagePart,
)

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import Message, Request

__all__ = ["estimate_tokens"]

_BYTES_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 4
_TOKENS_PER_IMAGE = 85


def estimate_tokens(request: Request, *, answer_tokens: int = 0) -> int:
    """Tokens of the prompt and of the answer together, at least 1.

    Args:
        request: To be sent.
        answer_tokens: Expected of the answer where the request sets no limit; its limit otherwise.
    """
    if isinstance(request, ChatRequest):
        tokens = sum(map(_of_message, request.messages))
        for tool in request.tools:
            tokens += _of(tool.name) + _of(tool.description or "") + _of(str(tool.parameters))
        return max(1, tokens + _of_answer(request.max_tokens, answer_tokens))
    if isinstance(request, CompletionRequest):
        each = _of_answer(request.max_tokens, answer_tokens)
        return max(1, sum(_of(prompt) + each for prompt in request.prompts))
    if isinstance(request, EmbeddingRequest):
        return max(1, sum(map(_of, request.inputs)))
    query = _of(request.query)
    return max(1, sum(query + _of(document) for document in request.documents))


def _of(text: str) -> int:
    size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    return -(-size // _BYTES_PER_TOKEN)


def _of_message(message: Message) -> int:
    tokens = _TOKENS_PER_MESSAGE + _of(message.text)
    if not isinstance(message.content, str):
        images = sum(isinstance(part, ImagePart) for part in message.content)
        tokens += images * _TOKENS_PER_IMAGE
    for call in message.tool_calls:
        tokens += _of(call.name) + _of(call.arguments)
    return tokens


def _of_answer(limit: int | None, expected: int) -> int:
    return expected if limit is None else limit
