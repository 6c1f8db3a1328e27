"""OpenVINO Model Server: the OpenAI dialect below ``/v3``, and Cohere's rerank.

Its list of models is the state of its configuration, which every version of the server tells at
``/v1/config``; only models with an available version are named.

Untested against the real service: it was written from the public description.

Source: OpenVINO documentation, "Model Server", pages "OpenAI API chat/completions endpoint",
"OpenAI API completions endpoint", "OpenAI API embeddings endpoint", "Cohere API rerank endpoint",
"TensorFlow Serving compatible RESTful API" (Config Status).
"""

from __future__ import annotations

from typing import ClassVar

from ipfs_accelerate.gateway.messages import Operation
from ipfs_accelerate.gateway.providers._openai import OpenAIDialect
from ipfs_accelerate.gateway.providers._reading import items, members, text
from ipfs_accelerate.gateway.providers.protocol import Capabilities

__all__ = ["OpenVINOModelServer"]


class OpenVINOModelServer(OpenAIDialect):
    """The service."""

    name = "ovms"
    default_url: ClassVar[str | None] = "http://localhost:8000/v3"
    api_root = "/v3"
    capabilities = Capabilities(
        operations=frozenset(Operation), has_streaming=True, has_tools=True, has_images=True
    )

    def _models_path(self) -> str:
        return self.base_url.removesuffix("/v3") + "/v1/config"

    def _model_names(self, value: dict[str, object]) -> tuple[str, ...]:
        return tuple(text(name, "a name") for name, state in value.items() if _is_available(state))


def _is_available(state: object) -> bool:
    versions = items(members(state, "a model").get("model_version_status"), "a model's versions")
    return any(members(one, "a version").get("state") == "AVAILABLE" for one in versions)
