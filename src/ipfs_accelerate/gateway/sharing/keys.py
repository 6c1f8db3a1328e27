"""Which requests ask for the same, and which may be joined."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.messages import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
)

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import Request

__all__ = ["group_of", "identity", "is_repeatable"]


def is_repeatable(request: Request) -> bool:
    """Whether two equal requests may share an answer.

    Vectors and rankings are functions of their input. Text is drawn at random unless the request
    says temperature 0: callers who ask twice may want two answers.
    """
    if isinstance(request, (ChatRequest, CompletionRequest)):
        return request.temperature == 0
    return True


def identity(request: Request) -> bytes:
    """Equal for equal requests, and for no others."""
    return _digest(request)


def group_of(request: Request) -> bytes | None:
    """Equal for requests that differ in their texts alone; ``None`` for what is never joined."""
    if isinstance(request, EmbeddingRequest):
        return _digest(replace(request, inputs=()))
    if isinstance(request, CompletionRequest):
        return _digest(replace(request, prompts=()))
    return None


def _digest(request: Request) -> bytes:
    text = json.dumps(asdict(request), sort_keys=True, default=_bytes_text)
    return hashlib.sha256(f"{request.operation}:{text}".encode()).digest()


def _bytes_text(value: object) -> str:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    raise TypeError(f"a request holds a {type(value).__name__}, which is not JSON")
