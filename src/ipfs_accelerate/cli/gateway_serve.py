"""``accel gateway serve``: an OpenAI API in front of all endpoints."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.output import emit_json, json_option, note

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ipfs_accelerate.gateway import Gateway
    from ipfs_accelerate.gateway.monitoring import LedgerRecorder, Statistics
    from ipfs_accelerate.gateway.records import Observer

__all__ = ["serve"]

_TOKEN_BYTES = 32


@click.command(epilog="Example: accel gateway serve --local minilm=./model --port 8000")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: a free one."
)
@click.option(
    "--local",
    "local",
    multiple=True,
    metavar="NAME=REF",
    help="Serve this model of this machine under a name; may be repeated.",
)
@click.option(
    "--record", "is_recorded", is_flag=True, help="Keep a row of each call in the ledger."
)
@json_option
def serve(
    *, host: str, port: int, local: tuple[str, ...], is_recorded: bool, as_json: bool
) -> None:
    """Serve the OpenAI API until SIGINT or SIGTERM.

    Endpoints and routes are those of the tables [gateway.…] of ipfs-accelerate.toml; without any,
    the services whose key is in its variable. Prints the base URL, and the token once unless it is
    set (gateway_token). Metrics for Prometheus are at /metrics, statistics at /v1/gateway/stats;
    `accel gateway report` reads what --record keeps, in which no prompt or answer is.
    """
    with _recorder() if is_recorded else nullcontext() as recorder:
        asyncio.run(_serve((host, port), local, recorder=recorder, as_json=as_json))


async def _serve(
    address: tuple[str, int],
    local: tuple[str, ...],
    *,
    recorder: LedgerRecorder | None,
    as_json: bool,
) -> None:
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.gateway.gateway import Gateway
    from ipfs_accelerate.gateway.monitoring import Statistics
    from ipfs_accelerate.gateway.server import GatewayServer

    settings = load_settings()
    secret = settings.gateway_token
    token = secret.get_secret_value() if secret else secrets.token_urlsafe(_TOKEN_BYTES)
    statistics = Statistics()
    models = dict(_named(text) for text in local)
    observers: list[Observer] = [statistics, *([] if recorder is None else [recorder])]
    async with (
        Gateway.from_settings(settings, local=models, observers=observers) as gateway,
        GatewayServer(
            gateway,
            token=token,
            host=address[0],
            port=address[1],
            pages=_pages(statistics, gateway),
        ) as server,
    ):
        _say(server.url, None if secret else token, as_json=as_json)
        note(f"serving {', '.join(gateway.engine.table.all) or 'nothing'} until Ctrl-C")
        loading = asyncio.create_task(_load(gateway, models))
        await _until_signal()
        loading.cancel()
        await asyncio.wait([loading])
    count = sum(totals.outcomes.total() for totals in statistics.calls.values())
    note(f"stopped after {count:,} {'call' if count == 1 else 'calls'}")


async def _load(gateway: Gateway, models: Mapping[str, str]) -> None:
    """Have each local model answer once, so that the first caller need not wait for loading."""
    from ipfs_accelerate.errors import AccelerateError, InputError
    from ipfs_accelerate.gateway.backend import CallContext
    from ipfs_accelerate.gateway.configuration import LOCAL
    from ipfs_accelerate.gateway.messages import CompletionRequest, EmbeddingRequest
    from ipfs_accelerate.gateway.transport import TimeLimits

    context = CallContext(limits=TimeLimits(None, None, None, None))
    for name, reference in models.items():
        (backend,) = {b for b in gateway.engine.backends.values() if b.name == LOCAL}
        try:
            try:
                await backend.call(EmbeddingRequest(reference, ("ready",)), context)
            except InputError:
                prompt = CompletionRequest(reference, ("ready",), max_tokens=1)
                await backend.call(prompt, context)
        except AccelerateError as error:
            note(f"{name} does not answer: {error}")
        else:
            note(f"{name} is loaded")


def _recorder() -> LedgerRecorder:
    """Opens the ledger now, so that one that cannot be written is said before serving."""
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.gateway.monitoring import LedgerRecorder
    from ipfs_accelerate.store import Ledger

    settings = load_settings()
    ledger = Ledger(settings.ledger_path, lock_timeout_s=settings.lock_timeout_s)
    return LedgerRecorder(ledger)


def _named(text: str) -> tuple[str, str]:
    name, equals, reference = text.partition("=")
    if not (name and equals and reference):
        raise click.BadParameter(f"{text!r} is not NAME=REF", param_hint="--local")
    return name, reference


def _pages(statistics: Statistics, gateway: Gateway) -> dict[str, Callable[[], tuple[str, str]]]:
    from ipfs_accelerate.gateway.monitoring.prometheus import metrics_page
    from ipfs_accelerate.gateway.monitoring.state import state_fields

    def stats() -> tuple[str, str]:
        fields = {**statistics.to_dict(), **state_fields(gateway.engine)}
        return json.dumps(fields), "application/json"

    return {"/metrics": lambda: metrics_page(statistics), "/v1/gateway/stats": stats}


def _say(url: str, new_token: str | None, *, as_json: bool) -> None:
    if as_json:
        emit_json("gateway-serve/1", {"url": url, "token": new_token})
    else:
        print(url)
        if new_token is not None:
            print(f"token {new_token}")
    sys.stdout.flush()


async def _until_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
