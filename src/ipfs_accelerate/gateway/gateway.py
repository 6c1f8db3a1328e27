"""The client: one object that asks many model services."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self, cast

from ipfs_accelerate.config import load_settings
from ipfs_accelerate.gateway.answer import Answer
from ipfs_accelerate.gateway.configuration import configure
from ipfs_accelerate.gateway.engine import Engine
from ipfs_accelerate.gateway.messages import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Message,
    RerankRequest,
)
from ipfs_accelerate.gateway.opening import open_backends
from ipfs_accelerate.gateway.options import CallOptions, GatewaySettings
from ipfs_accelerate.gateway.sharing.sharing import Sharing
from ipfs_accelerate.gateway.stream import ChatStream
from ipfs_accelerate.gateway.transport import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.gateway.backend import Backend
    from ipfs_accelerate.gateway.messages import (
        ChatResponse,
        CompletionResponse,
        EmbeddingResponse,
        Request,
        RerankResponse,
        Response,
    )
    from ipfs_accelerate.gateway.records import Observer
    from ipfs_accelerate.gateway.routes import Endpoint, Route
    from ipfs_accelerate.gateway.shell import Attempt
    from ipfs_accelerate.gateway.transport import Transport

__all__ = ["Gateway"]

_AS_USUAL = CallOptions()
_USUAL = GatewaySettings()


class Gateway:
    """Asks model services, reliably; an asynchronous context for use in one event loop.

    Args:
        endpoints: Whom it may ask.
        routes: Names callers ask for; ``<endpoint>/<model>`` always works.
        backends: Own backends by name of their endpoint, in place of those made for it.
        transport: Sends what the backends write; closed with the gateway.
        observers: Told of every call when it has ended.
        settings: What callers may share, and how patient, careful and fair it is.

    Raises:
        ConfigurationError: Names that clash or lead nowhere, a provider's key that is missing.

    Example:
        >>> from ipfs_accelerate.gateway import Endpoint, Gateway
        >>> gateway = Gateway([Endpoint("here", "ollama")])
        >>> async def greet():
        ...     async with gateway:
        ...         return (await gateway.chat("here/llama3.2", "Hello!")).text
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        routes: Sequence[Route] = (),
        *,
        backends: Mapping[str, Backend] | None = None,
        transport: Transport | None = None,
        observers: Sequence[Observer] = (),
        settings: GatewaySettings = _USUAL,
    ) -> None:
        self._transport = transport or AiohttpTransport()
        opened = open_backends(endpoints, self._transport, given=backends or {})
        self.engine = Engine(
            endpoints,
            routes,
            backends=opened,
            observers=observers,
            reliability=settings.reliability,
        )
        self._sharing = Sharing(
            settings.sharing,
            self._ask,
            now_ns=self.engine.shell.now_ns,
            most=self.engine.most_texts,
            observe=self.engine.observe,
        )

    @classmethod
    def from_settings(
        cls,
        settings: Settings | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        local: Mapping[str, str] | None = None,
        observers: Sequence[Observer] = (),
    ) -> Self:
        """The gateway of the tables ``[gateway.…]`` in ``ipfs-accelerate.toml``.

        Args:
            settings: Those in effect when ``None``.
            environ: Where keys are looked for; ``os.environ`` when ``None``.
            local: Further routes to models of this machine: name → reference.
            observers: Told of every call when it has ended.

        Raises:
            ConfigurationError: See `configuration.configure`.
        """
        table = (load_settings() if settings is None else settings).gateway
        variables = os.environ if environ is None else environ
        found = configure(table, environ=variables, local=local)
        return cls(found.endpoints, found.routes, observers=observers, settings=found.settings)

    async def chat(
        self, model: str, messages: str | Sequence[Message], *, options: CallOptions = _AS_USUAL
    ) -> Answer[ChatResponse]:
        """Continue a conversation; a text stands for one message of the user."""
        answer = await self.ask(ChatRequest(model, turns(messages)), options=options)
        return cast("Answer[ChatResponse]", answer)

    async def complete(
        self, model: str, prompts: str | Sequence[str], *, options: CallOptions = _AS_USUAL
    ) -> Answer[CompletionResponse]:
        """Continue texts, each for itself."""
        answer = await self.ask(CompletionRequest(model, _texts(prompts)), options=options)
        return cast("Answer[CompletionResponse]", answer)

    async def embed(
        self, model: str, inputs: str | Sequence[str], *, options: CallOptions = _AS_USUAL
    ) -> Answer[EmbeddingResponse]:
        """Turn texts into vectors."""
        answer = await self.ask(EmbeddingRequest(model, _texts(inputs)), options=options)
        return cast("Answer[EmbeddingResponse]", answer)

    async def rerank(
        self, model: str, query: str, documents: Sequence[str], *, options: CallOptions = _AS_USUAL
    ) -> Answer[RerankResponse]:
        """Order documents by how well they answer a query."""
        request = RerankRequest(model, query, _texts(documents))
        return cast("Answer[RerankResponse]", await self.ask(request, options=options))

    async def ask(self, request: Request, *, options: CallOptions = _AS_USUAL) -> Answer[Response]:
        """Have any request answered.

        Raises:
            UnknownModelError: No route has the name.
            InputError: No service of the route can express the request.
            ProviderError: The services failed or refused; see the tree of errors.
            ConnectivityError: The only service of the route is out of reach.
            DeadlineExceededError: There was no answer in time.
        """
        if self._sharing.is_wanted:
            return await self._sharing.ask(request, options)
        return await self._ask(request, options)

    async def _ask(self, request: Request, options: CallOptions) -> Answer[Response]:
        plan = self.engine.plan(request, options)

        async def work(attempt: Attempt) -> Response:
            backend, sent, context = self.engine.prepare(plan, attempt)
            response = await backend.call(sent, context)
            attempt.usage = response.usage
            return response

        response, record = await self.engine.run(plan, work)
        return Answer(response, record)

    def stream(self, request: ChatRequest, *, options: CallOptions = _AS_USUAL) -> ChatStream:
        """Have a chat answered piece by piece; nothing is sent before a piece is wanted."""
        return ChatStream(self.engine, self.engine.plan(request, options, is_stream=True))

    async def close(self) -> None:
        """Stop what runs and close all connections; calls that wait are cancelled."""
        await self._sharing.close()
        await self.engine.shell.close()
        for backend in self.engine.backends.values():
            await backend.close()
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def turns(messages: str | Sequence[Message]) -> tuple[Message, ...]:
    """A conversation from what a caller gave."""
    return (Message("user", messages),) if isinstance(messages, str) else tuple(messages)


def _texts(texts: str | Sequence[str]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts)
