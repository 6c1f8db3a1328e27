"""How many tokens a request is likely to take, before it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.messages import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    TextPart,
)

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import Message, Request

__all__ = ["estimate_tokens"]

_BYTES_PER_TOKEN = 4
_TOKENS_PER_IMAGE = 1000
_TOKENS_PER_MESSAGE = 4


def estimate_tokens(request: Request) -> int:
    """Tokens of prompt and answer together; an estimate, for allowances alone.

    Four bytes of text are counted as a token, as for English; other languages take more. An image
    counts as 1,000, an answer as ``max_tokens`` where the request bounds it.

    Source: OpenAI's help page "What are tokens and how to count them?" for the four characters.
    """
    if isinstance(request, ChatRequest):
        prompt = sum(map(_of_message, request.messages))
        return prompt + (request.max_tokens or 0)
    if isinstance(request, CompletionRequest):
        return _of_texts(request.prompts) + (request.max_tokens or 0) * len(request.prompts)
    if isinstance(request, EmbeddingRequest):
        return _of_texts(request.inputs)
    return _of_texts(request.documents) + _of_text(request.query) * len(request.documents)


def _of_message(message: Message) -> int:
    if isinstance(message.content, str):
        return _TOKENS_PER_MESSAGE + _of_text(message.content)
    parts = message.content
    images = sum(not isinstance(part, TextPart) for part in parts)
    return _TOKENS_PER_MESSAGE + _of_text(message.text) + images * _TOKENS_PER_IMAGE


def _of_texts(texts: tuple[str, ...]) -> int:
    return sum(map(_of_text, texts))


def _of_text(text: str) -> int:
    return len(text.encode(errors="surrogatepass")) // _BYTES_PER_TOKEN + 1
