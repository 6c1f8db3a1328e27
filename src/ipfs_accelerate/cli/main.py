"""Entry point: finds the noun, runs it, turns errors into messages and exit codes."""

from __future__ import annotations

import json
import logging
import os
import sys
from importlib import import_module
from typing import NoReturn

import click

from ipfs_accelerate import __version__
from ipfs_accelerate.errors import AccelerateError

__all__ = ["NOUNS", "app", "main"]

# Noun → (module that defines ``command``, one line of help). Modules load when used.
NOUNS: dict[str, tuple[str, str]] = {
    "run": ("ipfs_accelerate.cli.run", "Run a model on the best target of this machine."),
    "bench": ("ipfs_accelerate.cli.bench", "Measure models on targets and compare them."),
    "evidence": (
        "ipfs_accelerate.cli.evidence",
        "Say what measurements mean: compare, regressions.",
    ),
    "devices": ("ipfs_accelerate.cli.devices", "List the devices of this machine."),
    "doctor": ("ipfs_accelerate.cli.doctor", "Say what this machine can do, and why not."),
    "models": ("ipfs_accelerate.cli.models", "Verify, describe, convert and list models."),
    "content": ("ipfs_accelerate.cli.content", "Add, fetch, publish, verify and serve by CID."),
    "gateway": (
        "ipfs_accelerate.cli.gateway",
        "Ask remote model services and local models; serve them as an OpenAI API.",
    ),
    "db": ("ipfs_accelerate.cli.db", "Query, migrate and import into the ledger."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in NOUNS:
            return None
        if ctx.resilient_parsing or "_listing" in ctx.meta:
            return click.Command(cmd_name, short_help=NOUNS[cmd_name][1])
        command = import_module(NOUNS[cmd_name][0]).command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in NOUNS and not args[0].startswith("-"):
            from ipfs_accelerate.errors import UnknownNameError

            raise UnknownNameError(args[0], NOUNS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(noun, text) for noun, (_, text) in NOUNS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: accel bench run ./model --targets all --batch 1,8",
)
@click.version_option(__version__, prog_name="ipfs-accelerate")
@click.option("-v", "--verbose", count=True, help="Log more to stderr; twice for everything.")
def app(verbose: int) -> None:
    """Find out with real measurements where a model should run, and run it there."""
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )


def main() -> NoReturn:
    """Run the command line and exit with its status."""
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        result = app.main(arguments, prog_name="accel", standalone_mode=False)
    except AccelerateError as error:
        _report(error, as_json=as_json)
        return error.category.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return 2
    except (KeyboardInterrupt, click.Abort):
        print("interrupted; everything finished so far is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # the process border: anything else is a defect of ours
        logging.getLogger(__name__).exception("internal error; please report it with this trace")
        return 4
    return result if isinstance(result, int) else 0


def _report(error: AccelerateError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"schema": "ipfs-accelerate/error/1", "error": error.to_dict()}))
    print(f"error[{error.code}]: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  hint: {error.hint}", file=sys.stderr)
