"""Text that goes on from a prompt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.inference.choice import CallShape
from ipfs_accelerate.inference.generation import Decoder, Generation, collect, end_ids_of
from ipfs_accelerate.inference.sampling import GenerationOptions
from ipfs_accelerate.inference.streaming import TextStream
from ipfs_accelerate.inference.tasks.protocol import Encoded, Pipeline
from ipfs_accelerate.inference.text import TextTokenizer, as_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes import Session

__all__ = ["PIPELINE", "GeneratedText", "PromptOptions", "TextGeneration", "TextPiece"]


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """What was generated for one prompt.

    Attributes:
        text: Without the prompt.
        token_ids: Without the prompt; the end token included.
        finish_reason: ``end`` (the model ended), ``stop`` (a stop text came), ``length`` (as many
            tokens as allowed) or ``context`` (as many as the model can hold).
        prompt_tokens: Length of the prompt.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: str
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A piece of a text that is being generated.

    Attributes:
        text: May be empty while a character is not whole.
        token_id: The newest token; ``None`` for the rest given out at the end.
        finish_reason: On the last piece; see `GeneratedText`.
    """

    text: str
    token_id: int | None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class PromptOptions(GenerationOptions):
    """Options of text generation.

    Attributes:
        is_templated: The prompts hold all their special tokens already, as chat templates write
            them; none are added.
    """

    is_templated: bool = False


class TextGeneration(Pipeline):
    """Returns a `GeneratedText` per prompt. Prompts of a batch are padded on the left."""

    name: ClassVar[str] = "text-generation"
    summary: ClassVar[str] = "Text that goes on from a prompt."
    option_type: ClassVar[type] = PromptOptions

    def __init__(self, artifact: ModelArtifact) -> None:
        super().__init__(artifact)
        self.tokenizer = TextTokenizer(artifact, pad_left=True, cut=False)
        self.end_ids = end_ids_of(artifact)

    def encode(self, inputs: object, options: PromptOptions) -> Encoded:
        """See `Pipeline.encode`."""
        prompts = as_texts(inputs)
        encoded = self.tokenizer.encode(prompts, adds_special=not options.is_templated)
        batch, length = encoded.tensors["input_ids"].shape
        if length == 0:
            raise InputError("a prompt has no tokens", hint="give at least one word")
        room = self.tokenizer.max_length
        if room is not None and length >= room:
            raise InputError(
                f"the prompt has {length} tokens, {self.artifact.name} holds {room}",
                hint="shorten the prompt",
            )
        allowed = options if room is None else _within(options, room - length)
        shape = CallShape(batch, {"sequence": length, "new_tokens": allowed.max_new_tokens})
        is_capped = allowed is not options
        return Encoded(encoded.tensors, shape, allowed, isinstance(inputs, str), is_capped)

    def execute(self, sessions: Mapping[str, Session], encoded: Encoded) -> list[GeneratedText]:
        """See `Pipeline.execute`."""
        streams = [
            TextStream(self.tokenizer, encoded.options.stops)
            for _ in range(encoded.shape.batch_size)
        ]
        generation = self._generation(sessions, encoded)
        reasons = collect(generation, streams, self.end_ids)
        prompt_tokens = encoded.tensors["attention_mask"].sum(axis=1)
        return [
            GeneratedText(
                stream.text, tuple(stream.ids), _reason(why, encoded), int(prompt_tokens[i])
            )
            for i, (stream, why) in enumerate(zip(streams, reasons, strict=True))
        ]

    def decode(self, outputs: list[GeneratedText], encoded: Encoded) -> object:
        """See `Pipeline.decode`."""
        return outputs[0] if encoded.is_single else outputs

    def stream(
        self, sessions: Mapping[str, Session], prompt: str, options: PromptOptions
    ) -> Iterator[TextPiece]:
        """Pieces of one text as they come."""
        encoded = self.encode(prompt, options)
        text = TextStream(self.tokenizer, options.stops)
        generation = self._generation(sessions, encoded)
        token = -1
        for tokens in generation:
            token = int(tokens[0])
            piece = text.push(token)
            generation.is_done |= text.is_stopped
            yield TextPiece(piece, token)
        rest = text.finish()
        why = "stop" if text.is_stopped else "end" if token in self.end_ids else "length"
        yield TextPiece(rest, None, _reason(why, encoded))

    def _generation(self, sessions: Mapping[str, Session], encoded: Encoded) -> Generation:
        tensors = encoded.tensors
        return Generation(
            Decoder(sessions["model"]),
            tensors["input_ids"],
            tensors["attention_mask"],
            options=encoded.options,
            end_ids=self.end_ids,
        )


def _within(options: PromptOptions, room: int) -> PromptOptions:
    if options.max_new_tokens <= room:
        return options
    return replace(options, max_new_tokens=room)


def _reason(why: str, encoded: Encoded) -> str:
    return "context" if why == "length" and encoded.context else why


PIPELINE = TextGeneration
