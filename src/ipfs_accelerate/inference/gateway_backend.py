"""The models of this machine as a provider of the gateway, called ``local``.

A route names the model: ``local/<path or reference>``. Models are loaded when first asked for, by
one `Accelerator` for the whole endpoint.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from ipfs_accelerate.errors import (
    ConfigurationError,
    DeadlineExceededError,
    InputError,
    StreamStalledError,
)
from ipfs_accelerate.gateway.messages import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    CompletionRequest,
    CompletionResponse,
    EmbeddingRequest,
    EmbeddingResponse,
    Message,
    Operation,
    Usage,
)
from ipfs_accelerate.gateway.providers import Capabilities
from ipfs_accelerate.plugins import hookimpl

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from ipfs_accelerate.gateway.backend import Backend, CallContext
    from ipfs_accelerate.gateway.messages import FinishReason, Request, Response
    from ipfs_accelerate.gateway.routes import Endpoint
    from ipfs_accelerate.inference.accelerator import Accelerator
    from ipfs_accelerate.inference.local_models import LocalModels, Pieces

__all__ = ["LocalBackend", "ipfs_accelerate_backend"]

T = TypeVar("T")
_PROVIDER = "local"
_THREADS = 4


@hookimpl
def ipfs_accelerate_backend(endpoint: Endpoint) -> Backend | None:
    """The models of this machine, for endpoints of the provider ``local``."""
    if endpoint.provider != _PROVIDER:
        return None
    if endpoint.base_url is not None or endpoint.keys:
        raise ConfigurationError(
            f"endpoint {endpoint.name!r} is this machine: it has no address and no keys",
            hint="take base_url and keys out, or name another provider",
        )
    return LocalBackend()


class LocalBackend:
    """A `Backend` over an `Accelerator`, whose blocking calls run in a few threads.

    Args:
        make: Makes the accelerator, when it is first needed; by the settings when ``None``.
    """

    name = _PROVIDER
    capabilities = Capabilities(
        operations=frozenset({Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING}),
        has_streaming=True,
        has_prefill=True,
    )

    def __init__(self, make: Callable[[], Accelerator] | None = None) -> None:
        self._make = make
        self._opened: LocalModels | None = None
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="gateway-local")

    async def call(self, request: Request, context: CallContext) -> Response:
        """See `Backend.call`."""
        if isinstance(request, EmbeddingRequest):
            return await self._embed(request, context)
        if isinstance(request, CompletionRequest):
            return await self._complete(request, context)
        if isinstance(request, ChatRequest):
            pieces = [piece async for piece in self.stream(request, context)]
            last = pieces[-1]
            return ChatResponse(
                last.model or request.model,
                Message("assistant", "".join(piece.text for piece in pieces)),
                cast("FinishReason", last.finish_reason),
                last.usage or Usage(),
            )
        raise InputError(f"local models do no {request.operation}", hint="ask another provider")

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[ChatChunk]:
        """See `Backend.stream`."""
        prompt, options = await self._begun(context, lambda m: m.chat_prompt(request))
        async with aclosing(self._generate(request.model, prompt, options, context)) as pieces:
            async for piece in pieces:
                yield piece

    async def models(self, context: CallContext) -> tuple[str, ...]:  # noqa: ARG002
        """See `Backend.models`: references of the models asked for until now."""
        return await self._run(lambda m: m.names)

    async def close(self) -> None:
        """See `Backend.close`."""
        await asyncio.to_thread(self._threads.shutdown)
        if self._opened is not None:
            await asyncio.to_thread(self._opened.close)
            self._opened = None

    async def _embed(self, request: EmbeddingRequest, context: CallContext) -> EmbeddingResponse:
        vectors: dict[int, tuple[float, ...]] = {}
        tokens = 0
        for batch in await self._run(lambda m: m.embedding_batches(request)):
            found, used = await self._begun(context, partial(_embed, request=request, batch=batch))
            vectors |= zip(batch, found, strict=True)
            tokens += used
        ordered = tuple(vectors[index] for index in range(len(request.inputs)))
        name = await self._run(lambda m: m.name_of(request.model))
        return EmbeddingResponse(name, ordered, Usage(tokens, 0))

    async def _complete(
        self, request: CompletionRequest, context: CallContext
    ) -> CompletionResponse:
        options = await self._begun(context, lambda m: m.options(request))
        texts: list[str] = []
        reasons: list[FinishReason] = []
        name = request.model
        prompt_tokens = completion_tokens = 0
        for prompt in request.prompts:
            found = self._generate(request.model, prompt, options, context)
            pieces = [piece async for piece in found]
            last = pieces[-1]
            name, usage = last.model or name, last.usage or Usage()
            texts.append("".join(piece.text for piece in pieces))
            reasons.append(cast("FinishReason", last.finish_reason))
            prompt_tokens += usage.prompt_tokens or 0
            completion_tokens += usage.completion_tokens or 0
        usage = Usage(prompt_tokens, completion_tokens)
        return CompletionResponse(name, tuple(texts), tuple(reasons), usage)

    async def _generate(
        self, model: str, prompt: str, options: dict[str, object], context: CallContext
    ) -> AsyncGenerator[ChatChunk]:
        """One step of the model for each piece wanted, so that who stops reading stops it."""
        pieces = await self._begun(context, lambda m: m.generate(model, prompt, options))
        try:
            piece = await self._begun(context, lambda _: pieces.next())
            while piece is not None:
                if piece.text or piece.finish_reason is not None:
                    yield piece
                piece = await self._gone_on(context, pieces)
        finally:
            pieces.stop()

    async def _begun(self, context: CallContext, work: Callable[[LocalModels], T]) -> T:
        """Work that may have to load a model first."""
        wait_s = context.limits.first_s
        try:
            async with asyncio.timeout(wait_s):
                return await self._run(work)
        except TimeoutError as error:
            raise DeadlineExceededError(
                f"no answer from the local model in {wait_s:g} s",
                hint="loading takes longer the first time; raise first_s of the endpoint",
            ) from error

    async def _gone_on(self, context: CallContext, pieces: Pieces) -> ChatChunk | None:
        wait_s = context.limits.gap_s
        try:
            async with asyncio.timeout(wait_s):
                return await self._run(lambda _: pieces.next())
        except TimeoutError as error:
            raise StreamStalledError(
                f"the local model gave no token for {wait_s:g} s",
                hint="raise gap_s in the limits of the endpoint",
                details={"waited_s": wait_s},
            ) from error

    async def _run(self, work: Callable[[LocalModels], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(self._models()))

    def _models(self) -> LocalModels:
        """Opened by the first call, in its thread."""
        with self._lock:
            if self._opened is None:
                from ipfs_accelerate.inference.accelerator import Accelerator
                from ipfs_accelerate.inference.local_models import LocalModels

                self._opened = LocalModels((self._make or Accelerator)())
            return self._opened


def _embed(
    models: LocalModels, request: EmbeddingRequest, batch: list[int]
) -> tuple[list[tuple[float, ...]], int]:
    return models.embed(request, batch)
