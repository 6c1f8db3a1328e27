"""Labels for the words of a text, merged into entities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ipfs_accelerate.inference.scores import labels_of, softmax
from ipfs_accelerate.inference.tasks.feature_extraction import text_call
from ipfs_accelerate.inference.tasks.protocol import Encoded, Pipeline
from ipfs_accelerate.inference.text import TextTokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from ipfs_accelerate.inference.feeding import Tensors
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["PIPELINE", "Entity", "TokenClassification", "TokenClassificationOptions"]

_STRATEGIES = ("none", "simple", "first", "average", "max")


@dataclass(frozen=True, slots=True)
class TokenClassificationOptions:
    """Options of token classification.

    Attributes:
        aggregation: ``none`` returns every token; ``simple`` merges neighbours of one label;
            ``first``, ``average`` and ``max`` first decide one label per word.
        ignore_labels: Labels left out.
    """

    aggregation: str = "simple"
    ignore_labels: tuple[str, ...] = ("O",)

    def __post_init__(self) -> None:
        if self.aggregation not in _STRATEGIES:
            names = ", ".join(_STRATEGIES)
            raise ValueError(f"aggregation {self.aggregation!r} is none of {names}")


@dataclass(frozen=True, slots=True)
class Entity:
    """A labelled piece of the text.

    Attributes:
        label: Without the ``B-``/``I-`` prefix when pieces were merged.
        score: Mean of the pieces' probabilities.
        text: As it stands in the input.
        start: Offset of its first character.
        end: Offset after its last.
    """

    label: str
    score: float
    text: str
    start: int
    end: int


@dataclass(slots=True)
class _Piece:
    """A token or a word with the probabilities of the labels."""

    scores: np.ndarray
    start: int
    end: int


class TokenClassification(Pipeline):
    """Returns the entities of each text in order."""

    name: ClassVar[str] = "token-classification"
    summary: ClassVar[str] = "Entities of a text."
    aliases: ClassVar[tuple[str, ...]] = ("ner",)
    option_type: ClassVar[type] = TokenClassificationOptions

    def __init__(self, artifact: ModelArtifact) -> None:
        super().__init__(artifact)
        self.tokenizer = TextTokenizer(artifact)

    def encode(self, inputs: object, options: Any) -> Encoded:  # noqa: ANN401 (option_type)
        """See `Pipeline.encode`."""
        return text_call(self.tokenizer, inputs, options)

    def decode(self, outputs: Tensors, encoded: Encoded) -> list[Entity] | list[list[Entity]]:
        """See `Pipeline.decode`."""
        texts, encodings = encoded.context
        scores = softmax(outputs["logits"])
        labels = labels_of(self.artifact, scores.shape[2])
        rows = [
            self._entities(text, encoding, row, labels, encoded.options)
            for text, encoding, row in zip(texts, encodings, scores, strict=True)
        ]
        return rows[0] if encoded.is_single else rows

    def _entities(
        self,
        text: str,
        encoding: Any,  # noqa: ANN401 (tokenizers.Encoding)
        scores: np.ndarray,
        labels: list[str],
        options: TokenClassificationOptions,
    ) -> list[Entity]:
        pieces = list(_tokens(encoding, scores))
        if options.aggregation in {"first", "average", "max"}:
            pieces = [_word(group, options.aggregation) for group in _words(encoding, pieces)]
        if options.aggregation == "none":
            found = [_entity(text, [piece], labels, strip=False) for piece in pieces]
        else:
            found = [_entity(text, group, labels, strip=True) for group in _groups(pieces, labels)]
        return [entity for entity in found if entity.label not in options.ignore_labels]


def _tokens(encoding: Any, scores: np.ndarray) -> Iterator[_Piece]:  # noqa: ANN401
    for i, (start, end) in enumerate(encoding.offsets):
        if not encoding.special_tokens_mask[i] and encoding.attention_mask[i]:
            yield _Piece(scores[i], start, end)


def _words(encoding: Any, pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:  # noqa: ANN401
    """Pieces of one word together; pieces of no word alone."""
    words = [
        encoding.word_ids[i]
        for i in range(len(encoding.ids))
        if not encoding.special_tokens_mask[i] and encoding.attention_mask[i]
    ]
    group: list[_Piece] = []
    last: int | None = None
    for piece, word in zip(pieces, words, strict=True):
        if group and (word is None or word != last):
            yield group
            group = []
        group.append(piece)
        last = word
    if group:
        yield group


def _word(group: list[_Piece], strategy: str) -> _Piece:
    if strategy == "first":
        scores = group[0].scores
    elif strategy == "average":
        scores = sum((p.scores for p in group[1:]), group[0].scores) / len(group)
    else:
        scores = max(group, key=lambda p: float(p.scores.max())).scores
    return _Piece(scores, group[0].start, group[-1].end)


def _groups(pieces: Sequence[_Piece], labels: list[str]) -> Iterator[list[_Piece]]:
    """Neighbours of one label; a ``B-`` starts anew."""
    group: list[_Piece] = []
    current = ""
    for piece in pieces:
        prefix, name = _split(labels[int(piece.scores.argmax())])
        if group and (prefix == "B" or name != current):
            yield group
            group = []
        group.append(piece)
        current = name
    if group:
        yield group


def _entity(text: str, group: list[_Piece], labels: list[str], *, strip: bool) -> Entity:
    label = labels[int(group[0].scores.argmax())]
    start, end = group[0].start, group[-1].end
    return Entity(
        label=_split(label)[1] if strip else label,
        score=float(sum(float(p.scores.max()) for p in group) / len(group)),
        text=text[start:end],
        start=start,
        end=end,
    )


def _split(label: str) -> tuple[str, str]:
    return (label[0], label[2:]) if label[:2] in {"B-", "I-"} else ("I", label)


PIPELINE = TokenClassification
