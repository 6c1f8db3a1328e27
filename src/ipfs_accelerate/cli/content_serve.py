"""``accel content serve``: what the store holds, to others."""

from __future__ import annotations

import click

from ipfs_accelerate.cli.content_context import open_store, the_settings
from ipfs_accelerate.cli.output import emit_json, json_option, note

__all__ = ["serve"]


@click.command(epilog="Example: accel content serve --host 0.0.0.0 --port 8080")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="0 takes a free one.",
)
@click.option("--no-token", is_flag=True, help="Ask for no token; on loopback only.")
@json_option
def serve(*, host: str, port: int, no_token: bool, as_json: bool) -> None:
    """Serve the store as a trustless gateway until SIGINT or SIGTERM.

    Prints its URL and token once; the token is content_token where that is set, else a new one.
    """
    from ipfs_accelerate.content.naming import RecordStore
    from ipfs_accelerate.content.serving import GatewayServer, Options

    settings = the_settings()
    secret = settings.content_token
    token = None if no_token else "generate" if secret is None else secret.get_secret_value()
    options = Options(names=RecordStore(settings.names_dir))
    with (
        open_store(settings) as store,
        GatewayServer(store, host=host, port=port, token=token, options=options) as server,
    ):
        is_new = server.token is not None and secret is None
        if as_json:
            emit_json(
                "content-serve/1", {"url": server.url, "token": server.token if is_new else None}
            )
        else:
            print(f"{server.url}/ipfs/", flush=True)
            if is_new:
                print(f"token {server.token}", flush=True)
        note(
            "serving until Ctrl-C" + ("" if server.token else "; anybody on this machine may read")
        )
        import sys

        sys.stdout.flush()
        server.serve_forever()
        served = server.statistics()
    note(f"stopped: {served.requests:,} requests served")
