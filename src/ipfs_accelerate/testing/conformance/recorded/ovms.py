"""OpenVINO Model Server.

Source: OpenVINO documentation, "Model Server", "OpenAI API chat/completions endpoint", "Cohere API
rerank endpoint", "TensorFlow Serving compatible RESTful API".
"""

from __future__ import annotations

from dataclasses import replace

from ipfs_accelerate.errors import ModelNotFoundError, ProviderFailedError, RequestRefusedError
from ipfs_accelerate.gateway.providers.ovms import OpenVINOModelServer
from ipfs_accelerate.testing.conformance.provider_case import CHAT, ProviderCase, Refused
from ipfs_accelerate.testing.conformance.recorded import _openai_dialect as said
from ipfs_accelerate.testing.conformance.recorded._writing import body

__all__ = ["CASE"]


def _state(state: str) -> dict[str, object]:
    status = {"error_code": "OK", "error_message": "OK"}
    return {"model_version_status": [{"version": "1", "state": state, "status": status}]}


CASE = ProviderCase(
    OpenVINOModelServer("http://localhost:1"),
    chat=said.CHAT,
    stream=said.STREAM,
    tools=said.TOOLS,
    tool_stream=said.TOOL_STREAM,
    embedding=said.EMBEDDING,
    rerank=body(
        results=[
            {"index": 2, "relevance_score": 0.98},
            {"index": 0, "relevance_score": 0.01},
            {"index": 1, "relevance_score": 0.005},
        ]
    ),
    completion=said.COMPLETION,
    failed=(body(error="Failed to generate"), ProviderFailedError),
    models=body(m=_state("AVAILABLE"), gone=_state("END")),
    refusals=(
        Refused(
            404,
            body(error="Mediapipe graph definition with requested name is not found"),
            ModelNotFoundError,
        ),
        Refused(400, body(error="Invalid JSON structure"), RequestRefusedError),
        Refused(412, body(error="precondition"), RequestRefusedError),
    ),
    unexpressible=(replace(CHAT, extra={"n": 2}),),
)
