"""The kinds of services by name, and the table of what they can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.errors import UnknownNameError
from ipfs_accelerate.gateway.messages import Operation
from ipfs_accelerate.gateway.providers.anthropic import Anthropic
from ipfs_accelerate.gateway.providers.gemini import Gemini
from ipfs_accelerate.gateway.providers.groq import Groq
from ipfs_accelerate.gateway.providers.ollama import Ollama
from ipfs_accelerate.gateway.providers.opea import OPEA
from ipfs_accelerate.gateway.providers.openai import OpenAI
from ipfs_accelerate.gateway.providers.ovms import OpenVINOModelServer
from ipfs_accelerate.gateway.providers.tei import TextEmbeddingsInference
from ipfs_accelerate.gateway.providers.tgi import TextGenerationInference
from ipfs_accelerate.gateway.providers.vllm import VLLM

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.providers.protocol import Provider

__all__ = ["capability_table", "make_provider", "provider_class", "provider_names"]

_PROVIDERS: dict[str, type[Provider]] = {
    cls.name: cls
    for cls in (
        Anthropic,
        Gemini,
        Groq,
        OPEA,
        Ollama,
        OpenAI,
        OpenVINOModelServer,
        TextEmbeddingsInference,
        TextGenerationInference,
        VLLM,
    )
}


def provider_names() -> tuple[str, ...]:
    """All names, sorted."""
    return tuple(sorted(_PROVIDERS))


def provider_class(name: str) -> type[Provider]:
    """The class behind a name.

    Raises:
        UnknownNameError: There is no such kind of service.
    """
    try:
        return _PROVIDERS[name]
    except KeyError:
        raise UnknownNameError(name, _PROVIDERS) from None


def make_provider(name: str, base_url: str | None = None) -> Provider:
    """A provider for one address.

    Raises:
        UnknownNameError: There is no such kind of service.
        ConfigurationError: The address cannot be used.
    """
    return provider_class(name)(base_url)


def capability_table() -> list[dict[str, object]]:
    """One row for each kind of service, by name, made from what its class declares.

    Example:
        >>> [row["provider"] for row in capability_table() if row["rerank"]]
        ['opea', 'ovms', 'tei', 'vllm']
    """
    return [_row(name) for name in provider_names()]


def _row(name: str) -> dict[str, object]:
    cls = _PROVIDERS[name]
    able = cls.capabilities
    return {
        "provider": name,
        **{operation.value: operation in able.operations for operation in Operation},
        "streaming": able.has_streaming,
        "tools": able.has_tools,
        "images": able.has_images,
        "prefill": able.has_prefill,
        "idempotency": able.has_idempotency,
        "needs_key": able.needs_key,
        "max_batch": able.max_batch,
        "default_url": cls.default_url,
    }
