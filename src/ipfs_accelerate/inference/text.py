"""Text in and out of token ids, with the model's own ``tokenizer.json``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError, ModelFormatError
from ipfs_accelerate.inference.files import read_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Encoding, Tokenizer

    from ipfs_accelerate.models import ModelArtifact

__all__ = ["EncodedText", "TextTokenizer", "as_texts"]

logger = logging.getLogger(__name__)

# transformers writes int(1e30) where a tokenizer has no limit.
_NO_LIMIT = 10**9


@dataclass(frozen=True, slots=True)
class EncodedText:
    """A padded batch of token ids.

    Attributes:
        tensors: ``input_ids``, ``attention_mask``, ``token_type_ids``: ``int64[batch, sequence]``.
        encodings: One per text, with offsets, word ids and special-token mask.
    """

    tensors: dict[str, np.ndarray]
    encodings: tuple[Encoding, ...]


class TextTokenizer:
    """The tokenizer of a model. Safe for threads.

    Args:
        artifact: Whose ``tokenizer.json`` is read.
        max_length: Tokens kept per text; the model's own limit when ``None``.
        pad_left: Pad on the left, as decoders need it.
        cut: Cut longer texts (and log it); otherwise they stay as they are.

    Raises:
        InputError: The model has no ``tokenizer.json``.
        ModelFormatError: It cannot be read.
    """

    def __init__(
        self,
        artifact: ModelArtifact,
        *,
        max_length: int | None = None,
        pad_left: bool = False,
        cut: bool = True,
    ) -> None:
        self._library = _load(artifact)
        self._settings = read_object(artifact.directory, "tokenizer_config.json")
        self._special = read_object(artifact.directory, "special_tokens_map.json")
        self.max_length = max_length or _limit(self._settings, artifact)
        self.pad_id = self._pad_id(artifact)
        self._library.enable_padding(
            direction="left" if pad_left else "right",
            pad_id=self.pad_id,
            pad_token=self._library.id_to_token(self.pad_id) or "[PAD]",
        )
        if self.max_length and cut:
            self._library.enable_truncation(self.max_length)
        else:
            self._library.no_truncation()

    def encode(self, texts: Sequence[str], *, adds_special: bool = True) -> EncodedText:
        """Token ids of a batch, padded to its longest text.

        Args:
            texts: One per row.
            adds_special: Put the model's special tokens around them, such as its first token.
        """
        encodings = self._library.encode_batch(list(texts), add_special_tokens=adds_special)
        tensors = {
            "input_ids": _stack([e.ids for e in encodings]),
            "attention_mask": _stack([e.attention_mask for e in encodings]),
            "token_type_ids": _stack([e.type_ids for e in encodings]),
        }
        cut = sum(bool(e.overflowing) for e in encodings)
        if cut:
            logger.warning("%d of %d texts cut to %s tokens", cut, len(texts), self.max_length)
        return EncodedText(tensors, tuple(encodings))

    def decode(self, ids: Sequence[int], *, keep_special: bool = False) -> str:
        """Text of token ids."""
        text: str = self._library.decode(
            [int(i) for i in ids], skip_special_tokens=not keep_special
        )
        return text

    def token_of(self, token_id: int) -> str:
        """The piece of one id, as the vocabulary spells it."""
        piece: str | None = self._library.id_to_token(int(token_id))
        if piece is None:
            raise InputError(f"token id {token_id} is not in the vocabulary")
        return piece

    def id_of(self, token: str) -> int | None:
        """The id of a piece; ``None`` when it is not in the vocabulary."""
        found: int | None = self._library.token_to_id(token)
        return found

    def special(self, name: str) -> str | None:
        """A special token such as ``mask_token``; ``None`` when the model names none."""
        value = self._settings.get(name) or self._special.get(name)
        if isinstance(value, dict):
            value = value.get("content")
        return value if isinstance(value, str) else None

    def _pad_id(self, artifact: ModelArtifact) -> int:
        token = self.special("pad_token")
        found = self.id_of(token) if token else None
        if found is None:
            configured = artifact.config.get("pad_token_id")
            found = configured if isinstance(configured, int) else None
        return 0 if found is None else found


def as_texts(inputs: object) -> list[str]:
    """One text or several as a list.

    Raises:
        InputError: It is neither, or it is empty.
    """
    if isinstance(inputs, str):
        return [inputs]
    if isinstance(inputs, (list, tuple)) and inputs and all(isinstance(t, str) for t in inputs):
        return list(inputs)
    raise InputError(
        f"expected a text or a list of texts, got {_describe(inputs)}",
        hint="pass a str, a list of str, or a mapping from input name to array",
    )


def _describe(inputs: object) -> str:
    if isinstance(inputs, (list, tuple)):
        kinds = sorted({type(item).__name__ for item in inputs})
        return f"a {type(inputs).__name__} of {', '.join(kinds) or 'nothing'}"
    return type(inputs).__name__


def _load(artifact: ModelArtifact) -> Tokenizer:
    path = artifact.directory / "tokenizer.json"
    if not path.is_file():
        raise InputError(
            f"{artifact.name} has no tokenizer.json, so it cannot take text",
            hint="pass tensors (a mapping from input name to array), or add the tokenizer's file",
        )
    return _read(path)


def _read(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ModelFormatError(f"{path} is not a tokenizer: {error}") from error


def _limit(settings: dict[str, object], artifact: ModelArtifact) -> int | None:
    sentence = read_object(artifact.directory, "sentence_bert_config.json")
    found = [sentence.get("max_seq_length"), settings.get("model_max_length")]
    found.append(artifact.config.get("max_position_embeddings"))
    found.append(artifact.config.get("n_positions"))
    limits = [int(v) for v in found if isinstance(v, (int, float)) and 0 < v < _NO_LIMIT]
    if artifact.model_type in {"roberta", "xlm-roberta", "camembert"}:
        limits = [limit - 2 if limit % 256 == 2 else limit for limit in limits]
    return min(limits) if limits else None


def _stack(rows: list[list[int]]) -> np.ndarray:
    return np.asarray(rows, dtype=np.int64)
