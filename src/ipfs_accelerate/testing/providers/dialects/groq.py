"""Groq: the OpenAI protocol below ``/openai/v1``, with the usage of a stream in ``x_groq``.

Source: Groq API reference, "Chat"; GroqDocs, "OpenAI compatibility".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.testing.providers.dialect import Streamed, event
from ipfs_accelerate.testing.providers.dialects._openai_family import OpenAIFamily, usage

if TYPE_CHECKING:
    from ipfs_accelerate.testing.providers.answers import Answer, Asked

__all__ = ["DIALECT"]


class Groq(OpenAIFamily):
    """The service."""

    name = "groq"
    root = "/openai/v1"
    chat = "/openai/v1/chat/completions"
    completion = None
    embedding = None
    listing = "/openai/v1/models"

    def stream(self, asked: Asked, answer: Answer) -> Streamed:
        """See `Dialect.stream`."""
        parts = super().stream(asked, answer)
        last = self.delta_of(asked, {}, answer)
        last["x_groq"] = {"id": "req_mock", "usage": usage(answer)}
        return Streamed(parts.start, parts.pieces, [event(last), parts.end[-1]])


DIALECT = Groq()
