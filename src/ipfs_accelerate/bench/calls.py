"""What one counted call of a case is: a run of the graph, or a whole generation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from ipfs_accelerate.inference.feeding import feed
from ipfs_accelerate.inference.generation import Decoder, cross_inputs
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.runtimes import Session

__all__ = ["Call", "Generate", "RunGraph"]


class Call(Protocol):
    """Something to time."""

    def __call__(self) -> None:
        """Do it once and wait for the result."""
        ...

    def outputs(self) -> dict[str, np.ndarray]:
        """What is compared with the reference."""
        ...

    def take_phases(self) -> dict[str, list[int]]:
        """Duration in ns of each phase of each call since the last time; empty without phases."""
        ...


class RunGraph:
    """One run of a session."""

    def __init__(self, session: Session, inputs: Mapping[str, np.ndarray]) -> None:
        self._session = session
        self._inputs = inputs

    def __call__(self) -> None:
        """See `Call`."""
        self._session.run(self._inputs)

    def outputs(self) -> dict[str, np.ndarray]:
        """See `Call.outputs`."""
        return self._session.run(self._inputs)

    def take_phases(self) -> dict[str, list[int]]:
        """See `Call.take_phases`."""
        return {}


class Generate:
    """Prompts read, then tokens picked greedily one by one, to a fixed length.

    Args:
        decoder: Session of the decoder.
        inputs: Prompts: ``input_ids`` and ``attention_mask``, or what the encoder takes.
        new_tokens: Tokens per row; an end token does not end a row, so that work stays equal.
        encoder: Session of the encoder; ``None`` for a decoder alone.
        start_id: First token of a decoder with an encoder.
    """

    def __init__(
        self,
        decoder: Session,
        inputs: Mapping[str, np.ndarray],
        *,
        new_tokens: int,
        encoder: Session | None = None,
        start_id: int = 0,
    ) -> None:
        self._session = decoder
        self._encoder = encoder
        self._inputs = dict(inputs)
        self._new_tokens = new_tokens
        self._start_id = start_id
        self._phases: dict[str, list[int]] = {"prefill_ns": [], "decode_ns": []}

    def __call__(self) -> None:
        """See `Call`."""
        clock = MonotonicClock()
        started_ns = clock.now_ns()
        decoder, logits = self._prefill()
        tokens = np.argmax(logits, axis=-1)
        prefilled_ns = clock.now_ns()
        for _ in range(self._new_tokens - 1):
            tokens = np.argmax(decoder.step(tokens), axis=-1)
        self._phases["prefill_ns"].append(prefilled_ns - started_ns)
        self._phases["decode_ns"].append(clock.now_ns() - prefilled_ns)

    def outputs(self) -> dict[str, np.ndarray]:
        """See `Call.outputs`: logits of the first token and, after it, of the second."""
        decoder, first = self._prefill()
        second = decoder.step(np.argmax(first, axis=-1))
        return {"logits": first, "next_logits": second}

    def take_phases(self) -> dict[str, list[int]]:
        """See `Call.take_phases`."""
        taken, self._phases = self._phases, {"prefill_ns": [], "decode_ns": []}
        return taken

    def _prefill(self) -> tuple[Decoder, np.ndarray]:
        if self._encoder is None:
            decoder = Decoder(self._session)
            ids = self._inputs["input_ids"]
            mask = self._inputs.get("attention_mask", np.ones_like(ids))
            return decoder, decoder.start(ids, mask)
        constants = cross_inputs(self._encoder.run(feed(self._encoder, self._inputs)))
        if "attention_mask" in self._inputs:
            constants["encoder_attention_mask"] = self._inputs["attention_mask"]
        decoder = Decoder(self._session, constants)
        batch = len(next(iter(self._inputs.values())))
        start = np.full((batch, 1), self._start_id, dtype=np.int64)
        return decoder, decoder.start(start, np.ones_like(start))
