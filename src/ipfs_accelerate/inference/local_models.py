"""What the gateway asks of local models, in blocking calls: embeddings, prompts, generations."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.gateway.messages import ChatChunk, FinishReason, Usage
from ipfs_accelerate.inference.chat import ChatTemplate
from ipfs_accelerate.inference.tasks.sentence_embeddings import SentenceEmbeddings
from ipfs_accelerate.inference.tasks.text_generation import TextGeneration

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Mapping, Sequence

    from ipfs_accelerate.gateway.messages import (
        ChatRequest,
        CompletionRequest,
        EmbeddingRequest,
        Message,
    )
    from ipfs_accelerate.inference.accelerator import Accelerator
    from ipfs_accelerate.inference.tasks.text_generation import TextPiece

__all__ = ["LocalModels", "Pieces"]

_GENERATION = TextGeneration.name
_EMBEDDING = SentenceEmbeddings.name
#: Texts in one run of the graph.
_BATCH = 32
#: Of an answer, where neither the request nor the model's own length sets a bound.
_MOST_TOKENS = 1024
_EMBEDDING_OPTIONS = frozenset({"pooling", "normalize"})
_GENERATION_OPTIONS = frozenset({"top_k", "repetition_penalty", "ignore_eos"})
#: Says who asks, which is nobody's business here.
_IGNORED = frozenset({"user"})
_REASONS = {"end": FinishReason.STOP, "stop": FinishReason.STOP}


class LocalModels:
    """Turns requests into runs. Safe for threads.

    Args:
        accelerator: Closed with this.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._templates: dict[str, ChatTemplate] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """References of the models that hold conversations here."""
        return tuple(sorted(self._templates))

    def close(self) -> None:
        """Free the models."""
        self._accelerator.close()

    def embedding_batches(self, request: EmbeddingRequest) -> list[list[int]]:
        """Which inputs go together: those of about equal length, to pad little.

        Raises:
            InputError: The request wants what local models cannot do.
        """
        if request.dimensions is not None:
            raise InputError(
                f"local models have a width of their own, {request.dimensions} cannot be chosen",
                hint="leave dimensions out",
            )
        order = sorted(range(len(request.inputs)), key=lambda index: len(request.inputs[index]))
        return [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]

    def embed(
        self, request: EmbeddingRequest, batch: Sequence[int]
    ) -> tuple[list[tuple[float, ...]], int]:
        """Vectors of some of the inputs, and how many tokens the model read."""
        texts = [request.inputs[index] for index in batch]
        options: Any = _known(request.extra, _EMBEDDING_OPTIONS)
        found = self._accelerator.run(request.model, texts, task=_EMBEDDING, **options)
        pipeline = cast("SentenceEmbeddings", self._accelerator.pipeline(request.model, _EMBEDDING))
        tokens = int(pipeline.tokenizer.encode(texts).tensors["attention_mask"].sum())
        return [tuple(row) for row in found.output.tolist()], tokens

    def chat_prompt(self, request: ChatRequest) -> tuple[str, dict[str, object]]:
        """What the model reads for a conversation, and the options of the generation.

        Raises:
            InputError: The model has no chat template, or the request goes beyond text.
        """
        kind = (request.response_format or {}).get("type", "text")
        if kind != "text":
            raise InputError(f"local models cannot be held to the response format {kind!r}")
        messages = [_plain(message) for message in request.messages]
        template = self._templates.get(request.model)
        if template is None:
            template = ChatTemplate(self._pipeline(request.model).artifact)
            self._templates[request.model] = template
        return template.render(messages), {**self.options(request), "is_templated": True}

    def options(self, request: ChatRequest | CompletionRequest) -> dict[str, object]:
        """Options of the generation; without a temperature the likeliest token is taken."""
        options: dict[str, object] = {
            "max_new_tokens": request.max_tokens or self._most_tokens(request.model),
            "stop": request.stop,
            # Two callers who give no seed want two answers.
            "rng": np.random.default_rng(request.seed),
        }
        if request.temperature is not None:
            options["temperature"] = request.temperature
        if request.top_p is not None:
            options["top_p"] = request.top_p
        return {**options, **_known(request.extra, _GENERATION_OPTIONS)}

    def generate(self, model: str, prompt: str, options: Mapping[str, Any]) -> Pieces:
        """A generation that has not begun."""
        pipeline = self._pipeline(model)
        encoded = pipeline.encode(prompt, pipeline.parse_options(options))
        tokens = int(encoded.tensors["attention_mask"].sum())
        steps = self._accelerator.generate(model, prompt, **options)
        return Pieces(cast("Generator[TextPiece]", steps), pipeline.artifact.name, tokens)

    def name_of(self, model: str) -> str:
        """What callers may see in place of a reference, which can be a path."""
        return self._accelerator.pipeline(model, _EMBEDDING).artifact.name

    def _pipeline(self, model: str) -> TextGeneration:
        return cast("TextGeneration", self._accelerator.pipeline(model, _GENERATION))

    def _most_tokens(self, model: str) -> int:
        return min(self._pipeline(model).tokenizer.max_length or _MOST_TOKENS, _MOST_TOKENS)


class Pieces:
    """A generation, taken step by step from whichever thread is free.

    Args:
        steps: The generation.
        model: Its name.
        prompt_tokens: What it reads.
    """

    def __init__(self, steps: Generator[TextPiece], model: str, prompt_tokens: int) -> None:
        self._steps = steps
        self._model = model
        self._prompt_tokens = prompt_tokens
        self._tokens = 0
        self._lock = threading.Lock()
        self._is_stopped = False

    def next(self) -> ChatChunk | None:
        """The piece of one more step, which may have no text; ``None`` after the last."""
        with self._lock:
            step = None if self._is_stopped else next(self._steps, None)
        if self._is_stopped:
            self.stop()
        if step is None:
            return None
        self._tokens += step.token_id is not None
        if step.finish_reason is not None:
            return self._last(step)
        return ChatChunk(step.text, model=self._model)

    def stop(self) -> None:
        """End the generation and give its session back: now, or when the step on its way ends."""
        self._is_stopped = True
        if self._lock.acquire(blocking=False):
            try:
                self._steps.close()
            finally:
                self._lock.release()

    def _last(self, step: TextPiece) -> ChatChunk:
        reason = _REASONS.get(step.finish_reason or "", FinishReason.LENGTH)
        usage = Usage(self._prompt_tokens, self._tokens)
        return ChatChunk(step.text, finish_reason=reason, usage=usage, model=self._model)


def _plain(message: Message) -> dict[str, str]:
    if message.role == "tool" or message.tool_calls:
        raise InputError(
            "local models call no tools, and the conversation has such a call",
            hint="send it to a service that can",
        )
    return {"role": message.role, "content": message.text}


def _known(extra: Mapping[str, object], names: Collection[str]) -> dict[str, object]:
    """What a request says beyond the vocabulary; the other options are not for callers."""
    for name in sorted(set(extra) - set(names) - _IGNORED):
        raise InputError(
            f"local models do not know {name!r}", hint="they know " + ", ".join(sorted(names))
        )
    return {name: value for name, value in extra.items() if name in names}
