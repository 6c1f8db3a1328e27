"""Every family with random weights converts and agrees with PyTorch, caches included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ipfs_accelerate.models import resolve
from ipfs_accelerate.models.conversion import ensure_onnx
from ipfs_accelerate.models.inputs import sample_inputs

if TYPE_CHECKING:
    from ipfs_accelerate.config import Settings

pytestmark = [pytest.mark.needs("torch", "transformers"), pytest.mark.slow]

GENERATING = ("gpt2", "llama", "qwen2", "qwen3", "t5", "whisper")
OTHERS = (
    *("bert-masked-lm", "bert-question-answering", "bert-sequence-classification"),
    *("bert-token-classification", "distilbert", "roberta", "vit", "vit-image-classification"),
    *("clip", "clap", "detr", "wav2vec2", "wav2vec2-ctc", "wav2vec2-audio-classification"),
)


@pytest.mark.parametrize("architecture", GENERATING + OTHERS)
def test_a_family_converts_and_agrees(architecture: str, settings: Settings) -> None:
    artifact = ensure_onnx(
        resolve(f"random://{architecture}", settings=settings), settings=settings
    )
    parity = artifact.provenance.parity
    assert parity is not None
    outputs = parity["outputs"]
    assert isinstance(outputs, dict)
    assert all(row["passed"] for row in outputs.values())
    for name in artifact.components:
        assert sample_inputs(artifact, name, sizes={}, rng=np.random.default_rng(0))
    if architecture in GENERATING:
        assert parity["generation"] == {
            "rows": 2,
            "new_tokens": 8,
            "equal_to": "transformers generate",
        }
        assert outputs["decoding/logits"]["max_abs"] < 1e-4
