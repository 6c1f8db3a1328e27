"""How every command prints: a result to stdout, as text for people or as one JSON document."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["emit_json", "json_option", "note"]

F = TypeVar("F", bound="Callable[..., object]")


def json_option(function: F) -> F:
    """Add ``--json`` as the keyword ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(
        function
    )


def emit_json(schema: str, payload: Mapping[str, object]) -> None:
    """Print one document ``{"schema": "ipfs-accelerate/<schema>/<version>", …}`` to stdout.

    Args:
        schema: Name and version, e.g. ``bench/1``.
        payload: JSON-serialisable fields beside ``schema``.
    """
    document = {"schema": f"ipfs-accelerate/{schema}", **payload}
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def note(text: str) -> None:
    """Print a line for people to stderr."""
    print(text, file=sys.stderr)
