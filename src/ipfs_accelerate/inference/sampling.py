"""From logits to the next token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.inference.scores import softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GenerationOptions", "pick_tokens"]


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """Options of text generation.

    Attributes:
        max_new_tokens: Most tokens generated per prompt.
        temperature: 0 takes the likeliest token; above, tokens are drawn.
        top_k: Draw from the ``k`` likeliest only; ``None`` for all.
        top_p: Draw from the smallest set of likeliest tokens with this total probability.
        repetition_penalty: Above 1 makes tokens that were seen less likely.
        stop: Texts that end the generation; they are not part of the result.
        ignore_eos: Go on after the end-of-sequence token, for measuring.
        seed: Of the draws, when ``rng`` is ``None``.
        rng: Source of the draws.

    Source: repetition penalty, arXiv:1909.05858, section 4.1; top-p, arXiv:1904.09751.
    """

    max_new_tokens: int = 64
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    stop: str | tuple[str, ...] = ()
    ignore_eos: bool = False
    seed: int = 0
    rng: np.random.Generator | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        wrong = [
            text
            for is_wrong, text in (
                (self.max_new_tokens < 1, f"max_new_tokens {self.max_new_tokens} is below 1"),
                (not self.temperature >= 0, f"temperature {self.temperature} is below 0"),
                (self.top_k is not None and self.top_k < 1, f"top_k {self.top_k} is below 1"),
                (not 0 < (self.top_p or 1.0) <= 1, f"top_p {self.top_p} is not in (0, 1]"),
                (not self.repetition_penalty > 0, "repetition_penalty must be above 0"),
                (any(not text for text in self.stops), "an empty stop text ends everything"),
            )
            if is_wrong
        ]
        if wrong:
            raise ValueError("; ".join(wrong))

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop texts; one alone counts as such, not as its letters."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    def generator(self) -> np.random.Generator:
        """The source of the draws of one call."""
        return self.rng or np.random.default_rng(self.seed)


def pick_tokens(
    logits: np.ndarray,
    seen: Sequence[np.ndarray],
    options: GenerationOptions,
    rng: np.random.Generator,
) -> np.ndarray:
    """One token per row.

    Args:
        logits: ``float32[batch, vocabulary]``.
        seen: Per row the ids so far, for the repetition penalty.
        options: How to pick.
        rng: Source of the draws.

    Returns:
        ``int64[batch]``.
    """
    if options.repetition_penalty != 1.0:
        logits = _penalized(logits, seen, options.repetition_penalty)
    if options.temperature == 0:
        best: np.ndarray = logits.argmax(axis=-1)
        return best
    scaled = logits.astype(np.float64) / options.temperature
    if options.top_k is not None and options.top_k < scaled.shape[-1]:
        floor = np.partition(scaled, -options.top_k, axis=-1)[:, -options.top_k, None]
        scaled = np.where(scaled < floor, -np.inf, scaled)
    probabilities = softmax(scaled)
    if options.top_p is not None:
        probabilities = _nucleus(probabilities, options.top_p)
    return np.asarray([_draw(row, rng) for row in probabilities], dtype=np.int64)


def _penalized(logits: np.ndarray, seen: Sequence[np.ndarray], penalty: float) -> np.ndarray:
    changed = logits.copy()
    for row, ids in zip(changed, seen, strict=True):
        unique = np.unique(ids)
        values = row[unique]
        row[unique] = np.where(values < 0, values * penalty, values / penalty)
    return changed


def _nucleus(probabilities: np.ndarray, top_p: float) -> np.ndarray:
    order = np.argsort(-probabilities, axis=-1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=-1)
    before = np.cumsum(ranked, axis=-1) - ranked
    kept = np.zeros_like(probabilities)
    np.put_along_axis(kept, order, np.where(before < top_p, ranked, 0.0), axis=-1)
    result: np.ndarray = kept / kept.sum(axis=-1, keepdims=True)
    return result


def _draw(probabilities: np.ndarray, rng: np.random.Generator) -> int:
    cumulative = np.cumsum(probabilities)
    at = np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")
    return int(min(at, np.flatnonzero(probabilities)[-1]))
