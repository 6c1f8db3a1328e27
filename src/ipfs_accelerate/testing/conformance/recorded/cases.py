"""All cases by the name of their provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.testing.conformance.recorded import (
    anthropic,
    gemini,
    groq,
    ollama,
    opea,
    openai,
    ovms,
    tei,
    tgi,
    vllm,
)

if TYPE_CHECKING:
    from ipfs_accelerate.testing.conformance.provider_case import ProviderCase

__all__ = ["cases"]


def cases() -> dict[str, ProviderCase]:
    """A case for each kind of service."""
    modules = (anthropic, gemini, groq, ollama, opea, openai, ovms, tei, tgi, vllm)
    return {module.CASE.provider.name: module.CASE for module in modules}
