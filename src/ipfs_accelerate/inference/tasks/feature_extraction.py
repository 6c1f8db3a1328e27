"""The hidden states of every token, or the pooled output where a model has only that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ipfs_accelerate.inference.choice import CallShape
from ipfs_accelerate.inference.tasks.protocol import Encoded, Pipeline
from ipfs_accelerate.inference.text import TextTokenizer, as_texts

if TYPE_CHECKING:
    import numpy as np

    from ipfs_accelerate.inference.feeding import Tensors
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["PIPELINE", "FeatureExtraction", "text_call"]


class FeatureExtraction(Pipeline):
    """Returns one ``float32[tokens, hidden]`` per text, without the padding."""

    name: ClassVar[str] = "feature-extraction"
    summary: ClassVar[str] = "Hidden states of every token."

    def __init__(self, artifact: ModelArtifact) -> None:
        super().__init__(artifact)
        self.tokenizer = TextTokenizer(artifact)

    def encode(self, inputs: object, options: Any) -> Encoded:  # noqa: ANN401 (option_type)
        """See `Pipeline.encode`."""
        return text_call(self.tokenizer, inputs, options)

    def decode(self, outputs: Tensors, encoded: Encoded) -> object:
        """See `Pipeline.decode`."""
        states: np.ndarray = outputs.get("last_hidden_state", next(iter(outputs.values())))
        mask = encoded.tensors["attention_mask"].astype(bool)
        rows = [row[keep] for row, keep in zip(states, mask, strict=True)]
        return rows[0] if encoded.is_single else rows


def text_call(tokenizer: TextTokenizer, inputs: object, options: object) -> Encoded:
    """Encode texts; the context is the tuple of encodings."""
    texts = as_texts(inputs)
    encoded = tokenizer.encode(texts)
    batch, sequence = encoded.tensors["input_ids"].shape
    shape = CallShape(batch, {"sequence": sequence})
    return Encoded(
        encoded.tensors, shape, options, isinstance(inputs, str), (tuple(texts), encoded.encodings)
    )


PIPELINE = FeatureExtraction
