"""Words for a masked place in a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.inference.scores import softmax
from ipfs_accelerate.inference.tasks.feature_extraction import text_call
from ipfs_accelerate.inference.tasks.protocol import Encoded, Pipeline
from ipfs_accelerate.inference.text import TextTokenizer

if TYPE_CHECKING:
    from ipfs_accelerate.inference.feeding import Tensors
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["PIPELINE", "FillMask", "FillMaskOptions", "Filling"]


@dataclass(frozen=True, slots=True)
class FillMaskOptions:
    """Options of fill-mask.

    Attributes:
        top_k: Proposals per mask.
    """

    top_k: int = 5

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {self.top_k}")


@dataclass(frozen=True, slots=True)
class Filling:
    """One proposal.

    Attributes:
        token: The piece, decoded.
        token_id: Its id.
        score: Probability.
        position: Index of the mask in the token sequence.
        sequence: The text with this mask filled, other masks left.
    """

    token: str
    token_id: int
    score: float
    position: int
    sequence: str


class FillMask(Pipeline):
    """Returns proposals for every mask of a text, best first; a list of lists for several masks."""

    name: ClassVar[str] = "fill-mask"
    summary: ClassVar[str] = "Words for the masked place of a text."
    option_type: ClassVar[type] = FillMaskOptions

    def __init__(self, artifact: ModelArtifact) -> None:
        super().__init__(artifact)
        self.tokenizer = TextTokenizer(artifact)
        self.mask_token = self.tokenizer.special("mask_token") or "[MASK]"
        mask_id = self.tokenizer.id_of(self.mask_token)
        if mask_id is None:
            raise InputError(f"the tokenizer of {artifact.name} has no mask token")
        self.mask_id = mask_id

    def encode(self, inputs: object, options: Any) -> Encoded:  # noqa: ANN401 (option_type)
        """See `Pipeline.encode`."""
        encoded = text_call(self.tokenizer, inputs, options)
        masks = (encoded.tensors["input_ids"] == self.mask_id).sum(axis=1)
        for text, count in zip(encoded.context[0], masks, strict=True):
            if count == 0:
                raise InputError(
                    f"no mask in {text[:80]!r}", hint=f"write {self.mask_token} where a word is due"
                )
        return encoded

    def decode(self, outputs: Tensors, encoded: Encoded) -> object:
        """See `Pipeline.decode`."""
        ids, mask = encoded.tensors["input_ids"], encoded.tensors["attention_mask"]
        rows = []
        for i in range(len(ids)):
            places = [
                self._proposals(outputs["logits"][i, at], ids[i][mask[i] == 1], int(at), encoded)
                for at in np.flatnonzero(ids[i] == self.mask_id)
            ]
            rows.append(places[0] if len(places) == 1 else places)
        return rows[0] if encoded.is_single else rows

    def _proposals(
        self, logits: np.ndarray, ids: np.ndarray, position: int, encoded: Encoded
    ) -> list[Filling]:
        scores = softmax(logits)
        best = np.argsort(-scores, kind="stable")[: encoded.options.top_k]
        found = []
        for token_id in best:
            filled = ids.copy()
            filled[position] = token_id
            found.append(
                Filling(
                    token=self.tokenizer.decode([token_id]),
                    token_id=int(token_id),
                    score=float(scores[token_id]),
                    position=position,
                    sequence=self.tokenizer.decode(filled.tolist()),
                )
            )
        return found


PIPELINE = FillMask
