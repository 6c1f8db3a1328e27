"""LiteLLM as a transport: requests of the OpenAI dialect become calls of its functions."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from ipfs_accelerate.errors import DeadlineExceededError, MissingExtraError, StreamStalledError
from ipfs_accelerate.gateway.litellm.failing import meaning
from ipfs_accelerate.gateway.wire import HttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import ModuleType

    from ipfs_accelerate.gateway.transport import HttpStream, TimeLimits
    from ipfs_accelerate.gateway.wire import HttpRequest

__all__ = ["LiteLLMTransport"]

#: By the end of the path; the longest first.
_FUNCTIONS = {
    "chat/completions": "acompletion",
    "completions": "atext_completion",
    "embeddings": "aembedding",
}
#: Read by LiteLLM when it is imported: no price map from the network, no ``.env`` of this folder.
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
}


class _Answer(Protocol):
    """What LiteLLM's functions return, and its streams yield."""

    def model_dump_json(self, *, exclude_none: bool, warnings: bool) -> str: ...


class _Pieces(Protocol):
    """A stream of LiteLLM; the reason is ``None`` where it has made one up."""

    received_finish_reason: str | None

    def __aiter__(self) -> AsyncIterator[_Answer]: ...


class LiteLLMTransport:
    """`Transport` over LiteLLM, whose connections are shared by the whole process.

    Args:
        base_url: Where all requests go; ``None`` leaves it to LiteLLM and the model's name. With an
            address, no credential is taken from the environment.
    """

    _open: ClassVar[set[LiteLLMTransport]] = set()

    def __init__(self, base_url: str | None = None) -> None:
        self._base_url = base_url

    async def send(self, request: HttpRequest, limits: TimeLimits) -> HttpResponse:
        """See `Transport.send`."""
        answer = cast("_Answer | HttpResponse", await self._ask(request, limits))
        return answer if isinstance(answer, HttpResponse) else HttpResponse(200, {}, _json(answer))

    @asynccontextmanager
    async def stream(self, request: HttpRequest, limits: TimeLimits) -> AsyncIterator[HttpStream]:
        """See `Transport.stream`."""
        answer = cast("_Pieces | HttpResponse", await self._ask(request, limits))
        if isinstance(answer, HttpResponse):
            yield _Refused(answer)
            return
        try:
            yield _Stream(answer, limits)
        finally:
            with suppress(AttributeError):  # not all of its streams can be closed
                await answer.aclose()  # type: ignore[attr-defined]

    async def close(self) -> None:
        """See `Transport.close`; who leaves last closes LiteLLM's connections."""
        if self not in self._open:
            return
        self._open.discard(self)
        if not self._open:
            litellm = _imported()
            await litellm.close_litellm_async_clients()
            litellm.in_memory_llm_clients_cache.flush_cache()

    async def load(self) -> ModuleType:
        """LiteLLM itself; its import takes seconds and therefore a thread.

        Raises:
            MissingExtraError: It is not installed.
        """
        found = await asyncio.to_thread(_imported)
        self._open.add(self)
        return found

    async def _ask(self, request: HttpRequest, limits: TimeLimits) -> object:
        """What its function returns, or the answer that its exception stands for."""
        litellm = await self.load()
        path = next(path for path in _FUNCTIONS if request.url.endswith(path))
        function = getattr(litellm, _FUNCTIONS[path])
        try:
            async with asyncio.timeout(limits.first_s):
                return await function(**self._arguments(request, limits))
        except TimeoutError:
            wait_s = limits.first_s or 0
            raise DeadlineExceededError(f"no answer through LiteLLM in {wait_s:g} s") from None
        except Exception as error:  # noqa: BLE001 — litellm raises whatever its services' clients do
            found = meaning(error)
            if isinstance(found, HttpResponse):
                return found
            raise found from None  # theirs holds the request, and with it key and prompt

    def _arguments(self, request: HttpRequest, limits: TimeLimits) -> dict[str, object]:
        headers = {name.lower(): value for name, value in request.headers.items()}
        key = headers.pop("authorization", "").removeprefix("Bearer ") or None
        headers.pop("content-type", None)
        body: dict[str, object] = json.loads(request.body)
        if self._base_url is not None:
            body |= {"api_base": self._base_url, "api_key": key or "none"}
        elif key is not None:
            body["api_key"] = key
        if headers:
            body["extra_headers"] = headers
        return {**body, "num_retries": 0, "max_retries": 0, "timeout": limits.total_s}


class _Refused:
    """A whole answer in place of a stream."""

    def __init__(self, answer: HttpResponse) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = answer.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        yield self._answer.body

    async def body(self) -> bytes:
        return self._answer.body


class _Stream:
    """Pieces as events of the OpenAI dialect.

    LiteLLM ends every stream as if it were whole. The end marker is written only where the service
    gave the reason of the end, so that a cut answer is found out.
    """

    status = 200

    def __init__(self, pieces: _Pieces, limits: TimeLimits) -> None:
        self.headers: Mapping[str, str] = {}
        self._pieces = pieces
        self._limits = limits

    async def pieces(self) -> AsyncIterator[bytes]:
        found = aiter(self._pieces)
        wait_s = self._limits.first_s
        while (piece := await _next(found, wait_s)) is not None:
            yield b"data: " + _json(piece) + b"\n\n"
            wait_s = self._limits.gap_s
        if self._pieces.received_finish_reason:
            yield b"data: [DONE]\n\n"

    async def body(self) -> bytes:
        return b"".join([piece async for piece in self.pieces()])


async def _next(pieces: AsyncIterator[_Answer], wait_s: float | None) -> _Answer | None:
    try:
        async with asyncio.timeout(wait_s):
            return await anext(pieces, None)
    except TimeoutError:
        raise StreamStalledError(
            f"no piece through LiteLLM for {wait_s or 0:g} s",
            hint="raise the limit between pieces, or let the gateway take another provider",
            details={"waited_s": wait_s},
        ) from None
    except Exception as error:  # noqa: BLE001 — as above
        raise meaning(error, is_begun=True) from None


def _json(answer: _Answer) -> bytes:
    return answer.model_dump_json(exclude_none=True, warnings=False).encode()


def _imported() -> ModuleType:
    """The one place where LiteLLM is imported."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        litellm = import_module("litellm")
    except ImportError as error:
        raise MissingExtraError("litellm", needed_for="the provider litellm") from error
    quiet = {"suppress_debug_info": True, "telemetry": False, "turn_off_message_logging": True}
    vars(litellm).update(quiet)
    return litellm
