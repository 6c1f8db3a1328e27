"""OpenAI; see `_openai_family` for what it speaks."""

from __future__ import annotations

from ipfs_accelerate.testing.providers.dialects._openai_family import OpenAIFamily

__all__ = ["DIALECT"]


class OpenAI(OpenAIFamily):
    """The service."""

    name = "openai"


DIALECT = OpenAI()
