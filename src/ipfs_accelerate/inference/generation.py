"""Decoding one token at a time over any `Session`, with the KV cache as flat tensors.

A decoder graph takes ``input_ids`` and, as far as it names them, ``attention_mask``,
``position_ids``, ``cross_key_values.{i}.key|value`` and ``past_key_values.{i}.key|value``; it
returns ``logits`` and ``present.{i}.key|value``. A graph without a cache is run over the whole
sequence every time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.inference.feeding import feed
from ipfs_accelerate.inference.files import read_object
from ipfs_accelerate.inference.sampling import pick_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from ipfs_accelerate.inference.feeding import Tensors
    from ipfs_accelerate.inference.sampling import GenerationOptions
    from ipfs_accelerate.inference.streaming import TextStream
    from ipfs_accelerate.models import ModelArtifact, TensorSpec
    from ipfs_accelerate.runtimes import Session

__all__ = [
    "Decoder",
    "Generation",
    "collect",
    "cross_inputs",
    "decoder_start",
    "end_ids_of",
]

_PAST = "past_key_values."


class Decoder:
    """A decoder with the state of one batch. Not shared between threads.

    Args:
        session: The loaded graph.
        constants: Inputs that stay the same for all steps, e.g. what an encoder gave.
    """

    def __init__(self, session: Session, constants: Tensors | None = None) -> None:
        self._session = session
        self._constants = dict(constants or {})
        self._past_specs = [s for s in session.info.inputs if s.name.startswith(_PAST)]
        self._past: Tensors = {}
        self._ids = np.zeros((0, 0), dtype=np.int64)
        self._mask = self._ids

    @property
    def has_cache(self) -> bool:
        """Whether a step computes only the new token."""
        return bool(self._past_specs)

    def start(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Read the prompts.

        Args:
            ids: ``int64[batch, sequence]``, padded on the left.
            mask: ``int64[batch, sequence]``, 0 for padding.

        Returns:
            Logits of the next token, ``float32[batch, vocabulary]``.
        """
        self._ids, self._mask = ids, mask
        self._past = {s.name: _empty(s, len(ids)) for s in self._past_specs}
        return self._run(ids)

    def step(self, tokens: np.ndarray) -> np.ndarray:
        """Append one token per row; returns the logits of the next."""
        column = tokens[:, None].astype(np.int64)
        self._ids = np.concatenate([self._ids, column], axis=1)
        self._mask = np.concatenate([self._mask, np.ones_like(column)], axis=1)
        return self._run(column if self.has_cache else self._ids)

    def _run(self, ids: np.ndarray) -> np.ndarray:
        positions = np.maximum(np.cumsum(self._mask, axis=1) - 1, 0)[:, -ids.shape[1] :]
        tensors = {
            **self._constants,
            "input_ids": ids,
            "attention_mask": self._mask,
            "position_ids": np.ascontiguousarray(positions),
            **self._past,
        }
        outputs = self._session.run(feed(self._session, tensors))
        self._past = {
            s.name: outputs["present." + s.name.removeprefix(_PAST)] for s in self._past_specs
        }
        last: np.ndarray = outputs["logits"][:, -1, :]
        return last


class Generation:
    """The loop around a decoder; iterating gives the tokens of each step.

    Args:
        decoder: Fresh, with its constants.
        ids: Prompts, ``int64[batch, sequence]``, padded on the left.
        mask: 0 for padding.
        options: How to pick tokens, and how many.
        end_ids: Tokens that end a row.
        adjust: Changes logits in place before a token is picked; gets the step's index.

    Attributes:
        is_done: Per row, whether it has ended; set an entry to end a row early.
    """

    def __init__(
        self,
        decoder: Decoder,
        ids: np.ndarray,
        mask: np.ndarray,
        *,
        options: GenerationOptions,
        end_ids: Collection[int] = (),
        adjust: Callable[[np.ndarray, int], None] | None = None,
    ) -> None:
        self._decoder = decoder
        self._ids, self._mask = ids, mask
        self._options = options
        self._end_ids = np.asarray(sorted(end_ids), dtype=np.int64)
        self._adjust = adjust
        self.is_done = np.zeros(len(ids), dtype=bool)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Per step ``int64[batch]``; rows that had ended before hold -1."""
        rng = self._options.generator()
        seen = [row[keep == 1] for row, keep in zip(self._ids, self._mask, strict=True)]
        logits = self._decoder.start(self._ids, self._mask)
        for index in range(self._options.max_new_tokens):
            tokens = self._pick(logits, seen, index, rng)
            yield np.where(self.is_done, -1, tokens)
            if not self._options.ignore_eos:
                self.is_done |= np.isin(tokens, self._end_ids)
            if self.is_done.all() or index + 1 == self._options.max_new_tokens:
                return
            if self._options.repetition_penalty != 1.0:
                seen = [np.append(s, t) for s, t in zip(seen, tokens, strict=True)]
            logits = self._decoder.step(tokens)

    def _pick(
        self, logits: np.ndarray, seen: list[np.ndarray], index: int, rng: np.random.Generator
    ) -> np.ndarray:
        if self._adjust is not None:
            logits = logits.copy()
            self._adjust(logits, index)
        return pick_tokens(logits, seen, self._options, rng)


def collect(generation: Generation, streams: list[TextStream], end_ids: Iterable[int]) -> list[str]:
    """Run a generation to its end into one stream per row; returns why each row ended."""
    ends = set(end_ids)
    for tokens in generation:
        for row, token in enumerate(tokens):
            if token >= 0:
                streams[row].push(int(token))
                generation.is_done[row] |= streams[row].is_stopped
    for stream in streams:
        stream.finish()
    return [
        "stop" if s.is_stopped else "end" if s.ids and s.ids[-1] in ends else "length"
        for s in streams
    ]


def cross_inputs(encoder_outputs: Tensors) -> Tensors:
    """What a decoder takes from an encoder: its keys and values, or its hidden states."""
    hidden = encoder_outputs["last_hidden_state"]
    return {**encoder_outputs, "encoder_hidden_states": hidden}


def end_ids_of(artifact: ModelArtifact) -> frozenset[int]:
    """Tokens that end a text, from ``generation_config.json`` before ``config.json``."""
    for config in (read_object(artifact.directory, "generation_config.json"), artifact.config):
        value = config.get("eos_token_id")
        ids = value if isinstance(value, list) else [value]
        numbers = frozenset(v for v in ids if isinstance(v, int))
        if numbers and len(numbers) == len(set(ids)):
            return numbers
    return frozenset()


def decoder_start(artifact: ModelArtifact) -> int:
    """The token a decoder starts from.

    Raises:
        InputError: The model names none.
    """
    generation = read_object(artifact.directory, "generation_config.json")
    for config in (generation, artifact.config):
        for name in ("decoder_start_token_id", "bos_token_id"):
            value = config.get(name)
            if isinstance(value, int):
                return value
    raise InputError(f"{artifact.name} names no decoder_start_token_id")


def _empty(spec: TensorSpec, batch: int) -> np.ndarray:
    """A cache without entries: the named dimensions are the batch and the length 0."""
    shape = [size if isinstance(size, int) else 0 for size in spec.shape]
    shape[0] = batch
    return np.zeros(shape, dtype=spec.dtype)
