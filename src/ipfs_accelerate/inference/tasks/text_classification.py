"""A label for a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ipfs_accelerate.inference.scores import LabelScore, labels_of, sigmoid, softmax, top
from ipfs_accelerate.inference.tasks.feature_extraction import text_call
from ipfs_accelerate.inference.tasks.protocol import Encoded, Pipeline
from ipfs_accelerate.inference.text import TextTokenizer

if TYPE_CHECKING:
    import numpy as np

    from ipfs_accelerate.inference.feeding import Tensors
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["PIPELINE", "ClassificationOptions", "TextClassification", "class_scores"]


@dataclass(frozen=True, slots=True)
class ClassificationOptions:
    """Options of classification.

    Attributes:
        top_k: Labels per item; ``None`` for all.
        function: ``softmax``, ``sigmoid`` or ``none``; ``None`` for the model's own kind.
    """

    top_k: int | None = 1
    function: str | None = None

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {self.top_k}")
        if self.function not in {None, "softmax", "sigmoid", "none"}:
            raise ValueError(f"function {self.function!r} is none of softmax, sigmoid, none")


class TextClassification(Pipeline):
    """Returns the best labels of each text, best first."""

    name: ClassVar[str] = "text-classification"
    summary: ClassVar[str] = "Labels of a text with scores."
    aliases: ClassVar[tuple[str, ...]] = ("sentiment-analysis",)
    option_type: ClassVar[type] = ClassificationOptions

    def __init__(self, artifact: ModelArtifact) -> None:
        super().__init__(artifact)
        self.tokenizer = TextTokenizer(artifact)

    def encode(self, inputs: object, options: Any) -> Encoded:  # noqa: ANN401 (option_type)
        """See `Pipeline.encode`."""
        return text_call(self.tokenizer, inputs, options)

    def decode(
        self, outputs: Tensors, encoded: Encoded
    ) -> list[LabelScore] | list[list[LabelScore]]:
        """See `Pipeline.decode`."""
        scores = class_scores(self.artifact, outputs["logits"], encoded.options.function)
        labels = labels_of(self.artifact, scores.shape[1])
        rows = [top(row, labels, encoded.options.top_k) for row in scores]
        return rows[0] if encoded.is_single else rows


def class_scores(artifact: ModelArtifact, logits: np.ndarray, function: str | None) -> np.ndarray:
    """Scores of the classes; by default sigmoid for multi-label and single-output models."""
    kind = artifact.config.get("problem_type")
    if function is None:
        is_multi = kind == "multi_label_classification" or logits.shape[1] == 1
        function = "sigmoid" if is_multi else "softmax"
        function = "none" if kind == "regression" else function
    if function == "none":
        return logits
    return softmax(logits) if function == "softmax" else sigmoid(logits)


PIPELINE = TextClassification
