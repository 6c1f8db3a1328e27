"""The server: routes, the token, streams, and what a vanished client means."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.errors import (
    AccelerateError,
    ConfigurationError,
    InputError,
    InternalError,
    MissingExtraError,
)
from ipfs_accelerate.gateway.options import CallOptions
from ipfs_accelerate.gateway.routes import Priority
from ipfs_accelerate.gateway.server import reading, writing
from ipfs_accelerate.gateway.server.failing import (
    error_body,
    error_status,
    error_type,
    retry_after,
)
from ipfs_accelerate.gateway.server.idling import Idling

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from types import TracebackType

    from aiohttp import web

    from ipfs_accelerate.gateway.answer import Answer
    from ipfs_accelerate.gateway.gateway import Gateway
    from ipfs_accelerate.gateway.messages import Response
    from ipfs_accelerate.gateway.stream import ChatStream

__all__ = ["GatewayServer"]

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
_PRIORITIES = {priority.name.lower(): priority for priority in Priority}


class GatewayServer:
    """Serves one gateway; an asynchronous context that listens while entered.

    Args:
        gateway: Answers; closed by whoever made it.
        token: Wanted as bearer token of every request but ``GET /health``.
        host: Address to bind to.
        port: 0 takes a free one.
        pages: Further pages, such as ``/metrics``: path → what makes its text and content type.

    Attributes:
        most_body_bytes: Of a request, decompressed.
        body_timeout_s: Until the whole body of a request has come.
        idle_timeout_s: Until the headers of a request have come, from connecting or from the
            request before.

    Raises:
        ConfigurationError: No token.
    """

    most_body_bytes: int = 32 * 2**20
    body_timeout_s: float = 60.0
    idle_timeout_s: float = 60.0

    def __init__(
        self,
        gateway: Gateway,
        *,
        token: str,
        host: str = "127.0.0.1",
        port: int = 0,
        pages: dict[str, Callable[[], tuple[str, str]]] | None = None,
    ) -> None:
        if not token:
            raise ConfigurationError("the gateway's server needs a token", hint="set one")
        self._gateway = gateway
        self._token = token.encode()
        self._host = host
        self.port = port
        self._pages = pages or {}
        self._runner: web.AppRunner | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """What clients take as base URL."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/v1"

    async def __aenter__(self) -> Self:
        try:
            from aiohttp import web
        except ImportError as error:
            raise MissingExtraError(
                "gateway", needed_for="the gateway's server", module="aiohttp"
            ) from error
        idling = Idling(self.idle_timeout_s)
        runner = web.AppRunner(
            self._app(idling),
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=self.idle_timeout_s,
        )
        await runner.setup()
        site = web.TCPSite(runner, self._host, self.port)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigurationError(
                f"cannot listen on {self._host}:{self.port}: {os.strerror(error.errno or 0)}",
                hint="choose another port, or 0 for a free one",
            ) from error
        self._runner = runner
        self.port = runner.addresses[0][1]
        assert runner.server is not None
        self._watching = asyncio.create_task(idling.watch(runner.server))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
            self._watching = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _app(self, idling: Idling) -> web.Application:
        from aiohttp import web

        app = web.Application(
            middlewares=[self._guard(idling)], client_max_size=self.most_body_bytes
        )
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._complete)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_post("/v1/rerank", self._rerank)
        for path, make in self._pages.items():
            app.router.add_get(path, _page(make))
        return app

    def _guard(self, idling: Idling) -> Callable[..., Awaitable[web.StreamResponse]]:
        from aiohttp import web

        @web.middleware
        async def guard(
            request: web.Request,
            handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
        ) -> web.StreamResponse:
            if request.path != "/health" and not self._is_allowed(request):
                return _refusal(401, "wrong or missing token", "invalid_api_key")
            try:
                with idling.working(request.protocol):
                    return await handler(request)
            except web.HTTPException as error:
                return _refusal(error.status, *_told(error, self.most_body_bytes))
            except AccelerateError as error:
                return _failed(error)
            except Exception:
                logger.exception("a request failed unexpectedly")
                return _failed(_unexpected())

        return guard

    def _is_allowed(self, request: web.Request) -> bool:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(given.encode(errors="surrogateescape"), self._token)
        return scheme.lower() == "bearer" and right

    async def _health(self, _request: web.Request) -> web.Response:
        from aiohttp import web

        return web.json_response({"status": "ok"})

    async def _json(self, request: web.Request) -> object:
        from aiohttp import web

        try:
            async with asyncio.timeout(self.body_timeout_s):
                data = await request.read()
        except TimeoutError as error:
            raise web.HTTPRequestTimeout from error
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise InputError("the body is not JSON", details={"param": "body"}) from error

    async def _models(self, _request: web.Request) -> web.Response:
        from aiohttp import web

        names = [name for name in self._gateway.engine.table.all if not name.endswith("*")]
        data = [{"id": n, "object": "model", "created": 0, "owned_by": "gateway"} for n in names]
        return web.json_response({"object": "list", "data": data})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        call = reading.read_chat(await self._json(request))
        options = _options(request)
        if call.is_stream:
            return await self._stream(request, call, options)
        answer = await self._gateway.ask(call.request, options=options)
        return _answer(
            answer,
            lambda response, name: writing.chat_body(response, request_id=name, created_s=_now_s()),
        )

    async def _stream(
        self, request: web.Request, call: reading.ChatCall, options: CallOptions
    ) -> web.StreamResponse:
        from aiohttp import web

        async with self._gateway.stream(call.request, options=options) as pieces:
            first = await anext(pieces)  # a failure before it is an ordinary error answer
            response = web.StreamResponse(
                headers={
                    "Content-Type": "text/event-stream; charset=utf-8",
                    "Cache-Control": "no-cache",
                    "X-Request-Id": pieces.request_id,
                }
            )
            await response.prepare(request)
            writer = writing.ChunkWriter(
                request_id=pieces.request_id, model=call.request.model, created_s=_now_s()
            )
            # who vanishes cancels the handler, or is found out by the next write
            with contextlib.suppress(ConnectionError):
                await response.write(writer.write(first))
                async for data in _events(pieces, writer, wants_usage=call.wants_usage):
                    await response.write(data)
                await response.write_eof()
            return response

    async def _complete(self, request: web.Request) -> web.Response:
        asked = reading.read_completion(await self._json(request))
        answer = await self._gateway.ask(asked, options=_options(request))
        return _answer(
            answer,
            lambda response, name: writing.completion_body(
                response, request_id=name, created_s=_now_s()
            ),
        )

    async def _embed(self, request: web.Request) -> web.Response:
        call = reading.read_embedding(await self._json(request))
        answer = await self._gateway.ask(call.request, options=_options(request))
        return _answer(
            answer,
            lambda response, _: writing.embedding_body(response, is_base64=call.is_base64),
        )

    async def _rerank(self, request: web.Request) -> web.Response:
        asked = reading.read_rerank(await self._json(request))
        answer = await self._gateway.ask(asked, options=_options(request))
        return _answer(
            answer, lambda response, name: writing.rerank_body(response, request_id=name)
        )


async def _events(
    pieces: ChatStream, writer: writing.ChunkWriter, *, wants_usage: bool
) -> AsyncGenerator[bytes]:
    """What follows the first event; a failure is an event too, as the status is sent already."""
    try:
        async for piece in pieces:
            if data := writer.write(piece):
                yield data
        if wants_usage:
            yield writer.usage(pieces.answer().response.usage)
    except AccelerateError as error:
        yield writing.event(error_body(error))
    except Exception:
        logger.exception("a stream failed unexpectedly")
        yield writing.event(error_body(_unexpected()))
    else:
        yield b"data: [DONE]\n\n"


def _unexpected() -> InternalError:
    return InternalError("unexpected failure", hint="see the server's log")


def _told(error: web.HTTPException, most_body_bytes: int) -> tuple[str, str]:
    """Message and code for what aiohttp itself refuses."""
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return f"the body is larger than {most_body_bytes:,} bytes", "request_too_large"
    return error.reason, HTTPStatus(error.status).name.lower()


def _options(request: web.Request) -> CallOptions:
    """From headers: ``X-Request-Id``, ``X-Priority``, ``X-Deadline-S``, ``Cache-Control``."""
    level = request.headers.get("X-Priority", "normal").lower()
    if level not in _PRIORITIES:
        raise InputError(
            f"X-Priority {level!r} is none of high, normal, low", details={"param": "X-Priority"}
        )
    asked = request.headers.get("Cache-Control", "")
    return CallOptions(
        priority=_PRIORITIES[level],
        deadline_s=_deadline_s(request.headers.get("X-Deadline-S")),
        request_id=_name(request, "X-Request-Id"),
        idempotency_key=_name(request, "Idempotency-Key"),
        may_share="no-cache" not in asked and "no-store" not in asked,
    )


def _name(request: web.Request, header: str) -> str | None:
    value = request.headers.get(header)
    if value is not None and not _NAME.match(value):
        raise InputError(
            f"{header} is not a plain name",
            hint="letters, digits and ._:- are taken, at most 128",
            details={"param": header},
        )
    return value


def _deadline_s(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 86_400:
        raise InputError(
            f"X-Deadline-S {value!r} is no number of seconds", details={"param": "X-Deadline-S"}
        )
    return seconds


def _answer(answer: Answer[Response], write: Callable[..., dict[str, object]]) -> web.Response:
    from aiohttp import web

    record = answer.record
    headers = {"X-Request-Id": record.request_id, "X-Cache": "hit" if record.is_cached else "miss"}
    if record.age_ns is not None:
        headers["Age"] = str(record.age_ns // 1_000_000_000)
    if answer.endpoint is not None:
        headers["X-Endpoint"] = answer.endpoint
    body = write(answer.response, record.request_id)
    return web.Response(
        body=json.dumps(body, separators=(",", ":")).encode(),
        content_type="application/json",
        headers=headers,
    )


def _refusal(status: int, message: str, code: str) -> web.Response:
    from aiohttp import web

    error = {"message": message, "type": error_type(status), "param": None, "code": code}
    return web.json_response({"error": error}, status=status)


def _failed(error: AccelerateError) -> web.Response:
    from aiohttp import web

    headers = retry_after(error)
    if isinstance(name := error.details.get("request_id"), str):
        headers["X-Request-Id"] = name
    return web.json_response(error_body(error), status=error_status(error), headers=headers)


def _page(make: Callable[[], tuple[str, str]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def page(_request: web.Request) -> web.Response:
        from aiohttp import web

        text, content_type = make()
        return web.Response(text=text, content_type=content_type)

    return page


def _now_s() -> int:
    return int(datetime.now(UTC).timestamp())
