"""Scores with labels, as the classification tasks return them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["LabelScore", "labels_of", "sigmoid", "softmax", "top"]


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label with its score (0..1 unless a task says otherwise)."""

    label: str
    score: float


def labels_of(artifact: ModelArtifact, count: int) -> list[str]:
    """Names of the classes from ``id2label``; ``LABEL_i`` where the model has none."""
    table = artifact.config.get("id2label")
    names = {str(k): str(v) for k, v in table.items()} if isinstance(table, dict) else {}
    return [names.get(str(i), f"LABEL_{i}") for i in range(count)]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    result: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return result


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Elementwise, in float64, without overflow."""
    half: np.ndarray = 0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64)))
    return half


def top(scores: np.ndarray, labels: list[str], count: int | None) -> list[LabelScore]:
    """The best ``count`` of one row of scores (all of them for ``None``), best first."""
    order = np.argsort(-scores, kind="stable")[:count]
    return [LabelScore(labels[i], float(scores[i])) for i in order]
