"""Texts of a wanted number of tokens, equal for equal seeds."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.inference.text import TextTokenizer

__all__ = ["count_tokens", "make_texts"]

# fmt: off
# Words that most vocabularies hold as one piece, so that nearly every length can be made.
_WORDS = (
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world",
    "school", "state", "family", "student", "group", "country", "problem", "hand", "part",
    "place", "case", "week", "company", "system", "program", "question", "work", "government",
    "number", "night", "point", "home", "water", "room", "mother", "area", "money", "story",
    "fact", "month", "lot", "right", "study", "book",
)
# fmt: on


def make_texts(
    tokenizer: TextTokenizer,
    *,
    batch: int,
    tokens: int,
    seed: int,
    lines: Sequence[str] = (),
) -> tuple[str, ...]:
    """One text per item, as long as possible without having more than ``tokens`` tokens.

    Args:
        tokenizer: Of the model, special tokens counted.
        batch: How many.
        tokens: Of each.
        seed: Of the drawn words.
        lines: Texts to use instead, repeated to fill the batch; shorter ones stay short.
    """
    rng = np.random.default_rng(seed)
    texts = []
    for index in range(batch):
        words = lines[index % len(lines)].split() if lines else list(rng.choice(_WORDS, tokens))
        kept = bisect_right(
            range(1, len(words) + 1), tokens, key=lambda n: count_tokens(tokenizer, words[:n])
        )
        texts.append(" ".join(words[: max(kept, 1)]))
    return tuple(texts)


def count_tokens(tokenizer: TextTokenizer, words: Sequence[str]) -> int:
    """Tokens of these words as one text."""
    return int(tokenizer.encode([" ".join(words)]).tensors["input_ids"].shape[1])
