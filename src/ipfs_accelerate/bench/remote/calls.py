"""What one counted call of a remote case is: a batch embedded, or conversations streamed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ipfs_accelerate.errors import InferenceError, InputError, TargetUnsupportedError
from ipfs_accelerate.gateway.gateway import Gateway
from ipfs_accelerate.gateway.messages import ChatRequest, EmbeddingRequest, Message
from ipfs_accelerate.gateway.options import CallOptions
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from ipfs_accelerate.gateway.configuration import Configuration

__all__ = ["Asker", "EmbedTexts", "StreamChats"]

T = TypeVar("T")
_FRESH = CallOptions(may_share=False)
_now_ns = MonotonicClock().now_ns


class Asker:
    """A gateway in an event loop that runs only while something is asked.

    Args:
        configuration: Endpoints and routes; nothing is shared, so that every call is really made.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._loop = asyncio.new_event_loop()
        self.gateway = self.wait(_made(configuration))

    def wait(self, work: Coroutine[object, object, T]) -> T:
        """The result, once it is there."""
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        """Close the gateway and the loop."""
        self.wait(self.gateway.close())
        self._loop.close()

    def require(self, request: EmbeddingRequest | ChatRequest) -> None:
        """Refuse, before anything is sent, what nobody behind the route can do.

        Raises:
            TargetUnsupportedError: No service of the route answers such requests.
        """
        try:
            is_stream = isinstance(request, ChatRequest)
            self.gateway.engine.plan(request, _FRESH, is_stream=is_stream)
        except InputError as error:
            raise TargetUnsupportedError(error.message, hint=error.hint) from error


class EmbedTexts:
    """One request for the vectors of a batch."""

    def __init__(self, asker: Asker, model: str, texts: Sequence[str]) -> None:
        self.request = EmbeddingRequest(model, tuple(texts))
        self._asker = asker
        self._phases: dict[str, list[int]] = defaultdict(list)

    def __call__(self) -> None:
        """See `Call`."""
        self._ask()

    def outputs(self) -> dict[str, np.ndarray]:
        """See `Call.outputs`: vectors of length 1, as services differ in scaling them."""
        found = np.asarray(self._ask(), dtype=np.float32)
        return {"embedding": found / np.linalg.norm(found, axis=1, keepdims=True)}

    def take_phases(self) -> dict[str, list[int]]:
        """See `Call.take_phases`: here only how many tries each call took."""
        taken, self._phases = dict(self._phases), defaultdict(list)
        return taken

    def _ask(self) -> tuple[tuple[float, ...], ...]:
        answer = self._asker.wait(self._asker.gateway.ask(self.request, options=_FRESH))
        self._phases["tries"].append(len(answer.record.attempts))
        return answer.response.vectors  # type: ignore[union-attr]


class StreamChats:
    """A conversation per text, all at once, each streamed to its end."""

    def __init__(self, asker: Asker, model: str, texts: Sequence[str], *, new_tokens: int) -> None:
        self._requests = [
            ChatRequest(model, (Message("user", text),), max_tokens=new_tokens, temperature=0.0)
            for text in texts
        ]
        self.request = self._requests[0]
        self._asker = asker
        self._phases: dict[str, list[int]] = defaultdict(list)

    def __call__(self) -> None:
        """See `Call`."""
        started_ns = _now_ns()
        begun_ns, tokens, tries = self._asker.wait(self._all())
        self._phases["prefill_ns"].append(begun_ns - started_ns)
        self._phases["decode_ns"].append(_now_ns() - begun_ns)
        self._phases["tries"].append(tries)
        if tokens is not None:
            self._phases["completion_tokens"].append(tokens)

    def outputs(self) -> dict[str, np.ndarray]:
        """A service gives text and no logits, so there is nothing to compare.

        Raises:
            InferenceError: Always.
        """
        raise InferenceError("a service gives text, not the outputs of its graph")

    def take_phases(self) -> dict[str, list[int]]:
        """See `Call.take_phases`: until every answer had begun, from there to the end."""
        taken, self._phases = dict(self._phases), defaultdict(list)
        return taken

    async def _all(self) -> tuple[int, int | None, int]:
        """When the last answer began, tokens of all, most tries of one."""
        found = await asyncio.gather(*map(self._one, self._requests))
        counts = [tokens for _, tokens, _ in found]
        known = [count for count in counts if count is not None]
        total = sum(known) if len(known) == len(counts) else None
        return max(b for b, _, _ in found), total, max(t for _, _, t in found)

    async def _one(self, request: ChatRequest) -> tuple[int, int | None, int]:
        begun_ns = 0
        async with self._asker.gateway.stream(request, options=_FRESH) as pieces:
            async for _ in pieces:
                begun_ns = begun_ns or _now_ns()
            answer = pieces.answer()
        tokens = answer.usage.completion_tokens if answer.usage else None
        return begun_ns, tokens, len(answer.record.attempts)


async def _made(configuration: Configuration) -> Gateway:
    return Gateway(configuration.endpoints, configuration.routes)
