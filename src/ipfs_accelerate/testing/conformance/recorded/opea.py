"""OPEA. Source: OPEA documentation, "ChatQnA Application"; GenAIComps, "Reranking"."""

from __future__ import annotations

from dataclasses import replace

from ipfs_accelerate.errors import (
    ModelNotFoundError,
    ProviderFailedError,
    RequestRefusedError,
)
from ipfs_accelerate.gateway.messages import Usage
from ipfs_accelerate.gateway.providers.opea import OPEA
from ipfs_accelerate.testing.conformance.provider_case import CHAT, ProviderCase, Refused
from ipfs_accelerate.testing.conformance.recorded import _openai_dialect as said
from ipfs_accelerate.testing.conformance.recorded._writing import DONE, body

__all__ = ["CASE"]

_MEGA = replace(CHAT, model="chatqna")
_EMPTY_USAGE = {"prompt_tokens": 0, "total_tokens": 0, "completion_tokens": 0}

CASE = ProviderCase(
    OPEA("http://localhost:1"),
    chat=body(
        id="chatcmpl-3",
        object="chat.completion",
        created=1700000000,
        model="chatqna",
        choices=[
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Paris."},
                "finish_reason": "stop",
                "metadata": None,
            }
        ],
        usage=_EMPTY_USAGE,
    ),
    usage=Usage(),
    stream=b"data: b'Par'\n\n" + b"data: b'is.'\n\n" + DONE,
    embedding=said.EMBEDDING,
    rerank=body(
        id="1",
        reranked_docs=[
            {"text": "Paris", "score": 0.98},
            {"text": "Berlin", "score": 0.01},
            {"text": "Rome", "score": 0.005},
        ],
    ),
    failed=(body(error={"message": "boom"}), ProviderFailedError),
    failed_stream=(
        b"data: b'Par'\n\n" + b'data: {"error": {"message": "boom", "code": 500}}\n\n' + DONE,
        ProviderFailedError,
    ),
    bad_piece=b"data: b'oops\n\n",
    models=body(**{"Service Title": "m", "Service Description": "OPEA Microservice"}),
    refusals=(
        Refused(500, b"Internal Server Error", ProviderFailedError),
        Refused(422, body(detail=[{"loc": ["body"], "msg": "missing"}]), RequestRefusedError),
        Refused(404, body(error={"message": "The model `m` is absent"}), ModelNotFoundError),
    ),
    unexpressible=(
        replace(_MEGA, seed=1),
        replace(_MEGA, stop=("a",)),
        replace(_MEGA, response_format={"type": "json_object"}),
    ),
)
