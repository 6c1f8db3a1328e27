"""Recognisers with one output per frame (wav2vec 2.0, HuBERT and relatives)."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.inference.feeding import feed
from ipfs_accelerate.inference.files import read_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes import Session

__all__ = ["CtcRecognizer"]


class CtcRecognizer:
    """Greedy CTC: the likeliest symbol per frame, repeats merged, blanks dropped.

    Other special tokens are dropped before merging, as the models' own tokenizers do.

    Recordings are run one by one: most of these models take no mask, and padding would change
    their result.

    Source: Graves et al., Connectionist Temporal Classification, ICML 2006.
    """

    components = ("model",)

    def __init__(self, artifact: ModelArtifact) -> None:
        settings = read_object(artifact.directory, "preprocessor_config.json")
        names = read_object(artifact.directory, "tokenizer_config.json")
        rate = settings.get("sampling_rate", 16_000)
        self.rate_hz = rate if isinstance(rate, int) else 16_000
        self._normalizes = settings.get("do_normalize", True) is not False
        self._symbols = {i: symbol for symbol, i in _vocabulary(artifact).items()}
        self._blank = _name_of(names, "pad_token", "<pad>")
        self._space = _name_of(names, "word_delimiter_token", "|")
        self._specials = {_name_of(names, n, d) for n, d in _SPECIALS.items()}

    def recognize(
        self, sessions: Mapping[str, Session], waveforms: Sequence[np.ndarray], _: object
    ) -> list[str]:
        """One text per recording."""
        return [self._text(self._logits(sessions["model"], w)) for w in waveforms]

    def _logits(self, session: Session, waveform: np.ndarray) -> np.ndarray:
        if self._normalizes:
            spread = np.sqrt(waveform.var() + 1e-7)
            waveform = ((waveform - waveform.mean()) / spread).astype(np.float32)
        values = waveform[None, :]
        tensors = {"input_values": values, "attention_mask": np.ones(values.shape, np.int64)}
        logits: np.ndarray = session.run(feed(session, tensors))["logits"][0]
        return logits

    def _text(self, logits: np.ndarray) -> str:
        best = [self._symbols.get(int(i), "") for i in logits.argmax(axis=-1)]
        path = [symbol for symbol in best if symbol not in self._specials]
        merged = [symbol for symbol, _ in groupby(path)]
        letters = [" " if s == self._space else s for s in merged if s != self._blank]
        return " ".join("".join(letters).split())


_SPECIALS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def _vocabulary(artifact: ModelArtifact) -> dict[str, int]:
    """Symbol → id from ``vocab.json``, or from ``tokenizer.json`` where there is none."""
    found = read_object(artifact.directory, "vocab.json")
    if not found:
        model = read_object(artifact.directory, "tokenizer.json").get("model")
        found = model.get("vocab", {}) if isinstance(model, dict) else {}
    symbols = {s: i for s, i in found.items() if isinstance(i, int)}
    if not symbols:
        raise InputError(
            f"{artifact.name} has no vocabulary, so its output has no letters",
            hint="add the model's vocab.json or tokenizer.json, or pass tensors",
        )
    return symbols


def _name_of(settings: Mapping[str, object], name: str, default: str) -> str:
    value = settings.get(name, default)
    if isinstance(value, dict):
        value = value.get("content", default)
    return value if isinstance(value, str) else default
