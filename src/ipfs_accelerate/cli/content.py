"""``accel content``: models as content-addressed, verified, shared artifacts."""

from __future__ import annotations

from importlib import import_module

import click

__all__ = ["COMMANDS", "command"]

# Verb → (module, name in it, one line of help). Modules load when used.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "add": ("content_add", "add", "Add a file or folder and print its CID."),
    "cat": ("content_read", "cat", "Write a file of the store to stdout."),
    "ls": ("content_read", "ls", "List a folder of the store."),
    "tree": ("content_read", "tree", "List everything below a root."),
    "stat": ("content_read", "stat", "Say what a CID is and how much of it is here."),
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
