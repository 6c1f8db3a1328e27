"""Text Embeddings Inference. Source: its documentation and OpenAPI description."""

from __future__ import annotations

from ipfs_accelerate.errors import (
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    RequestRefusedError,
)
from ipfs_accelerate.gateway.providers.tei import TextEmbeddingsInference
from ipfs_accelerate.testing.conformance.provider_case import ProviderCase, Refused
from ipfs_accelerate.testing.conformance.recorded import _openai_dialect as said
from ipfs_accelerate.testing.conformance.recorded._writing import body

__all__ = ["CASE"]

CASE = ProviderCase(
    TextEmbeddingsInference("http://localhost:1"),
    embedding=said.EMBEDDING,
    rerank=(
        b'[{"index": 0, "score": 0.01}, {"index": 2, "score": 0.98}, {"index": 1, "score": 0.005}]'
    ),
    failed=(body(error="Backend error", error_type="Backend"), ProviderFailedError),
    models=body(model_id="m", max_client_batch_size=32, version="1.7.0"),
    refusals=(
        Refused(
            413,
            body(error="batch size 64 > maximum allowed batch size 32", error_type="Validation"),
            RequestRefusedError,
            "Validation",
        ),
        Refused(
            413,
            body(message="`inputs` must have less than 512 tokens", code=413, type="Validation"),
            RequestRefusedError,
            "Validation",
        ),
        Refused(
            422,
            body(error="Tokenization error", error_type="Tokenizer"),
            RequestRefusedError,
            "Tokenizer",
        ),
        Refused(
            424,
            body(error="Inference failed", error_type="Backend"),
            ProviderFailedError,
            "Backend",
        ),
        Refused(
            429,
            body(error="Model is overloaded", error_type="Overloaded"),
            ProviderOverloadedError,
            "Overloaded",
        ),
        Refused(
            503,
            body(error="unhealthy", error_type="Unhealthy"),
            ProviderOverloadedError,
            "Unhealthy",
        ),
        Refused(404, body(error="no such model"), ModelNotFoundError),
    ),
)
