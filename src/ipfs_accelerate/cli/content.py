"""``accel content``: models as content-addressed, verified, shared artifacts."""

from __future__ import annotations

from importlib import import_module

import click

__all__ = ["COMMANDS", "command"]

# Verb → (module, name in it, one line of help). Modules load when used.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "add": ("content_add", "add", "Add a file or folder and print its CID."),
    "get": ("content_fetch", "get", "Fetch a file or folder from whoever has it."),
    "cat": ("content_read", "cat", "Write a file of the store to stdout."),
    "ls": ("content_read", "ls", "List a folder of the store."),
    "tree": ("content_read", "tree", "List everything below a root."),
    "stat": ("content_read", "stat", "Say what a CID is and how much of it is here."),
    "publish": ("content_release", "publish", "Sign a release of a model and print its CID."),
    "fetch": ("content_fetch", "fetch", "Fetch a release: signature first, then every block."),
    "diff": ("content_release", "diff", "Compare two releases or folders by their blocks."),
    "verify": ("content_release", "verify", "Check every block, sha256 and signature."),
    "key": ("content_keys", "key", "Make and show the keys that sign."),
    "name": ("content_names", "name", "Names that can be moved (IPNS)."),
    "serve": ("content_serve", "serve", "Serve the store as a trustless gateway."),
    "sources": ("content_sources", "sources", "Look at the configured sources."),
    "peers": ("content_peers", "peers", "Say what the nodes of the team have and think."),
    "pin": ("content_keep", "pin", "Keep content whatever the quota is."),
    "gc": ("content_keep", "gc", "Remove unpinned content until the store fits its quota."),
    "check": ("content_keep", "check", "Hash the store again; heal what is damaged."),
    "car": ("content_car", "car", "Move content as CAR archives."),
    "report": ("content_insight", "report", "Say what moved and what no origin had to send."),
    "predict": ("content_insight", "predict", "Simulate a network; say what would suit it."),
    "stats": ("content_keep", "stats", "Say how full the store is."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        found = getattr(import_module(f"ipfs_accelerate.cli.{module}"), name)
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, _, text) in COMMANDS.items()])


@click.group(cls=_LazyGroup, epilog="Example: accel content add ./model")
def command() -> None:
    """Add, fetch, publish, verify and serve content by its CID."""
