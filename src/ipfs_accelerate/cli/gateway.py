"""``accel gateway``: remote model services and local models behind one client and server."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.gateway_report import report
from ipfs_accelerate.cli.gateway_serve import serve
from ipfs_accelerate.cli.output import emit_json, json_option, note

if TYPE_CHECKING:
    from ipfs_accelerate.gateway import CallOptions, ChatRequest, Gateway
    from ipfs_accelerate.gateway.answer import Answer
    from ipfs_accelerate.gateway.checking import Finding
    from ipfs_accelerate.gateway.messages import Response

__all__ = ["command"]


@click.group()
def command() -> None:
    """Ask remote model services and local models through one reliable client."""


command.add_command(serve)
command.add_command(report)


@command.command(epilog='Example: accel gateway ask openai/gpt-4o-mini "What is a CID?" --stream')
@click.argument("model")
@click.argument("text")
@click.option("--stream", "is_stream", is_flag=True, help="Print the answer as it comes.")
@click.option(
    "--deadline", "deadline_s", type=click.FloatRange(min=0, min_open=True), help="Seconds."
)
@json_option
def ask(*, model: str, text: str, is_stream: bool, deadline_s: float | None, as_json: bool) -> None:
    """Ask MODEL, a route or ENDPOINT/MODEL, one question; - reads TEXT from stdin."""
    from ipfs_accelerate.gateway import CallOptions, ChatRequest, Gateway, Message

    question = sys.stdin.read() if text == "-" else text
    request = ChatRequest(model, (Message("user", question),))
    options = CallOptions(deadline_s=deadline_s)

    async def main() -> Answer[Response]:
        async with Gateway.from_settings() as gateway:
            if is_stream and not as_json:
                return await _print_stream(gateway, request, options)
            answer = await gateway.ask(request, options=options)
            if not as_json:
                print(answer.text)
            return answer

    answer = asyncio.run(main())
    if as_json:
        emit_json("gateway-ask/1", _fields(answer))
    else:
        note(_sentence(answer))


@command.command(epilog="Example: accel gateway check --timeout 3")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds for each endpoint.",
)
@json_option
def check(*, timeout_s: float, as_json: bool) -> None:
    """Ask every endpoint with every key whether it is there; costs no tokens.

    Ends with 1 when one cannot be used.
    """
    from ipfs_accelerate.cli.gateway_view import finding_fields, print_findings
    from ipfs_accelerate.gateway import Gateway
    from ipfs_accelerate.gateway.checking import check as check_all

    async def main() -> list[Finding]:
        async with Gateway.from_settings() as gateway:
            return await check_all(gateway.engine, timeout_s=timeout_s)

    found = asyncio.run(main())
    if as_json:
        emit_json("gateway-check/1", {"endpoints": [finding_fields(one) for one in found]})
    else:
        print_findings(found)
    sys.exit(1 if any(one.error is not None for one in found) else 0)


@command.command(epilog="Example: accel gateway capabilities --json")
@json_option
def capabilities(*, as_json: bool) -> None:
    """List the kinds of services and what each can do."""
    from ipfs_accelerate.cli.gateway_view import print_capabilities
    from ipfs_accelerate.gateway.providers.registry import capability_table

    rows = capability_table()
    if as_json:
        emit_json("gateway-capabilities/1", {"providers": rows})
    else:
        print_capabilities(rows)


@command.command(epilog="Example: accel gateway stats --url http://127.0.0.1:8000")
@click.option(
    "--url", default="http://127.0.0.1:8000", show_default=True, help="Of a running server."
)
@json_option
def stats(*, url: str, as_json: bool) -> None:
    """Show what a running server did since it began; its token is the setting gateway_token."""
    from ipfs_accelerate.cli.gateway_view import print_statistics
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.gateway.server.asking import read_statistics

    token = load_settings().gateway_token
    found = read_statistics(url, token=token.get_secret_value() if token else None)
    if as_json:
        emit_json("gateway-stats/1", found)
    else:
        print_statistics(found)


async def _print_stream(
    gateway: Gateway, request: ChatRequest, options: CallOptions
) -> Answer[Response]:
    async with gateway.stream(request, options=options) as pieces:
        async for piece in pieces:
            sys.stdout.write(piece.text)
            sys.stdout.flush()
        sys.stdout.write("\n")
        return pieces.answer()


def _fields(answer: Answer[Response]) -> dict[str, object]:
    record = answer.record
    return {
        "text": answer.text,
        "request_id": record.request_id,
        "endpoint": answer.endpoint,
        "tries": len(record.attempts),
        "elapsed_ms": record.elapsed_ns / 1e6,
        "first_ms": None if record.first_ns is None else record.first_ns / 1e6,
        "prompt_tokens": record.usage.prompt_tokens if record.usage else None,
        "completion_tokens": record.usage.completion_tokens if record.usage else None,
        "cost": record.cost,
    }


def _sentence(answer: Answer[Response]) -> str:
    record = answer.record
    tries = len(record.attempts)
    parts = [f"{answer.endpoint} in {record.elapsed_ns / 1e6:,.0f} ms"]
    if tries > 1:
        failed = ", ".join(f"{a.endpoint}: {a.outcome}" for a in record.attempts[:-1])
        parts.append(f"after {tries - 1} failed ({failed})")
    if record.usage is not None and record.usage.total_tokens is not None:
        parts.append(f"{record.usage.total_tokens:,} tokens")
    if record.cost is not None:
        parts.append(f"cost {record.cost:.6g}")
    return ", ".join(parts)
