"""A text from a text, with an encoder and a decoder (T5, BART and relatives)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ipfs_accelerate.inference.feeding import feed
from ipfs_accelerate.inference.generation import (
    Decoder,
    Generation,
    collect,
    cross_inputs,
    decoder_start,
    end_ids_of,
)
from ipfs_accelerate.inference.sampling import GenerationOptions
from ipfs_accelerate.inference.streaming import TextStream
from ipfs_accelerate.inference.tasks.feature_extraction import text_call
from ipfs_accelerate.inference.tasks.protocol import Encoded, Pipeline
from ipfs_accelerate.inference.tasks.text_generation import GeneratedText
from ipfs_accelerate.inference.text import TextTokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes import Session

__all__ = ["PIPELINE", "Text2TextGeneration"]


class Text2TextGeneration(Pipeline):
    """Returns a `GeneratedText` per text."""

    name: ClassVar[str] = "text2text-generation"
    summary: ClassVar[str] = "A text from a text, with an encoder and a decoder."
    aliases: ClassVar[tuple[str, ...]] = ("summarization", "translation")
    option_type: ClassVar[type] = GenerationOptions

    def __init__(self, artifact: ModelArtifact) -> None:
        super().__init__(artifact)
        self.tokenizer = TextTokenizer(artifact)
        self.end_ids = end_ids_of(artifact)
        self.start_id = decoder_start(artifact)

    @property
    def components(self) -> tuple[str, ...]:
        """See `Pipeline.components`."""
        return ("encoder", "decoder")

    def encode(self, inputs: object, options: GenerationOptions) -> Encoded:
        """See `Pipeline.encode`."""
        return text_call(self.tokenizer, inputs, options)

    def execute(self, sessions: Mapping[str, Session], encoded: Encoded) -> list[GeneratedText]:
        """See `Pipeline.execute`."""
        encoder = sessions["encoder"]
        constants = cross_inputs(encoder.run(feed(encoder, encoded.tensors)))
        constants["encoder_attention_mask"] = encoded.tensors["attention_mask"]
        start = np.full((encoded.shape.batch_size, 1), self.start_id, dtype=np.int64)
        streams = [TextStream(self.tokenizer, encoded.options.stops) for _ in range(len(start))]
        generation = Generation(
            Decoder(sessions["decoder"], constants),
            start,
            np.ones_like(start),
            options=encoded.options,
            end_ids=self.end_ids,
        )
        reasons = collect(generation, streams, self.end_ids)
        lengths = encoded.tensors["attention_mask"].sum(axis=1)
        return [
            GeneratedText(s.text, tuple(s.ids), why, int(length))
            for s, why, length in zip(streams, reasons, lengths, strict=True)
        ]

    def decode(self, outputs: list[GeneratedText], encoded: Encoded) -> object:
        """See `Pipeline.decode`."""
        return outputs[0] if encoded.is_single else outputs


PIPELINE = Text2TextGeneration
