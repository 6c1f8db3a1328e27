"""Inputs that show a quantizer the ranges of activations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.models.inputs import sample_inputs, sequence_limit

if TYPE_CHECKING:
    from pathlib import Path

    from ipfs_accelerate.models import Component, ModelArtifact

__all__ = ["Calibration", "Feed", "calibrate"]

Feed = Mapping[str, np.ndarray]
#: Feeds of one component, or a function that makes them from the component.
Calibration = Iterable[Feed] | Callable[["Component"], Iterable[Feed]]

_LONGEST_TOKENS = 128
_SHORT_TOKENS = 32
_PAST_TOKENS = 8
_SEED = 0
_RANDOM_FEEDS = 32
_HELD_OUT = 4


@dataclass(frozen=True, slots=True)
class Feeds:
    """Inputs for one component.

    Attributes:
        calibration: Shown to the quantizer.
        checks: Held out; the parity is measured on them.
        source: Where they come from, for the provenance.
    """

    calibration: tuple[Feed, ...]
    checks: tuple[Feed, ...]
    source: str

    @property
    def digest(self) -> str:
        """Hex sha256 over all values."""
        state = hashlib.sha256()
        for feed in (*self.calibration, *self.checks):
            for name, array in feed.items():
                state.update(f"{name}{array.dtype}{array.shape}".encode())
                state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()


def calibrate(
    artifact: ModelArtifact, component: Component, calibration: Calibration | None
) -> Feeds:
    """Feeds for a component: the caller's, else real text for its tokenizer, else random ones.

    Raises:
        InputError: The caller gave too few feeds to calibrate and check with.
    """
    if calibration is not None:
        given = tuple(calibration(component) if callable(calibration) else calibration)
        return _split(given, f"{len(given)} inputs of the caller")
    tokenizer = artifact.directory / "tokenizer.json"
    names = {spec.name for spec in component.inputs}
    if tokenizer.is_file() and "input_ids" in names:
        return _split(_text_feeds(artifact, component, tokenizer), "sentences shipped in quantize")
    return _split(
        tuple(_random_feed(artifact, component, index) for index in range(_RANDOM_FEEDS)),
        f"random inputs, seed {_SEED}",
    )


def _split(feeds: tuple[Feed, ...], source: str) -> Feeds:
    if len(feeds) < 2:
        raise InputError(
            f"{len(feeds)} calibration inputs are too few",
            hint="give at least two, better a hundred; some are held out to measure parity",
        )
    held = min(_HELD_OUT, len(feeds) // 2)
    return Feeds(feeds[:-held], feeds[-held:], source)


def _text_feeds(artifact: ModelArtifact, component: Component, tokenizer: Path) -> tuple[Feed, ...]:
    from tokenizers import Tokenizer

    engine = Tokenizer.from_file(str(tokenizer))
    past = _small_sizes(artifact, component).get("past_sequence", 0)
    engine.enable_truncation(min(_LONGEST_TOKENS, _limit(artifact) - past))
    engine.no_padding()
    texts = json.loads(
        files("ipfs_accelerate.quantize").joinpath("calibration.json").read_text("utf-8")
    )
    return tuple(
        _text_feed(artifact, component, engine.encode(text), index)
        for index, text in enumerate(texts)
    )


def _text_feed(artifact: ModelArtifact, component: Component, encoding: object, index: int) -> Feed:
    known = {
        "input_ids": getattr(encoding, "ids"),  # noqa: B009 (an untyped library)
        "token_type_ids": getattr(encoding, "type_ids"),  # noqa: B009
    }
    length = len(known["input_ids"])
    feed = _random_feed(artifact, component, index, sequence=length)
    return {
        name: np.asarray([known[name]], dtype=array.dtype) if name in known else array
        for name, array in feed.items()
    }


def _random_feed(
    artifact: ModelArtifact, component: Component, index: int, sequence: int | None = None
) -> Feed:
    sizes = _small_sizes(artifact, component)
    if sequence is not None:
        sizes["sequence"] = sequence
    rng = np.random.default_rng((_SEED, index))
    return sample_inputs(artifact, component.name, sizes=sizes, rng=rng)


def _small_sizes(artifact: ModelArtifact, component: Component) -> dict[str, int]:
    """Sizes for dimensions that `sample_inputs` gives no defaults to.

    Past tokens take positions too: with them a sequence must be that much shorter.
    """
    dims = {d for spec in component.inputs for d in spec.shape if isinstance(d, str)}
    limit = _limit(artifact)
    past = min(_PAST_TOKENS, limit // 2) if "past_sequence" in dims else 0
    sizes = {"past_sequence": past} if past else {}
    sequence = min(_SHORT_TOKENS, limit - past)
    return sizes | ({"sequence": sequence} if "sequence" in dims else {})


def _limit(artifact: ModelArtifact) -> int:
    """Tokens that a feed may have, those of the past included."""
    return sequence_limit(artifact.config) or _LONGEST_TOKENS + _PAST_TOKENS
