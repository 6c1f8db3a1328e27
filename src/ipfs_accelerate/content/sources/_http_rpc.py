"""How a Kubo node says what went wrong, and how its values are read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.content.sources._http import Reply, refusal
from ipfs_accelerate.errors import (
    AccelerateError,
    ConnectivityError,
    ContentFormatError,
    ContentNotFoundError,
    ModelReferenceError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_trailer", "cid_said", "failure_said", "node_error", "parse_json"]

_MAX_ERROR_BYTES = 64 * 1024
#: How a node says that it lacks a block. Source: kubo `ipld.ErrNotFound` and its wrappers.
_ABSENT = ("not found", "could not find", "block was not found locally")


def parse_json(data: bytes, url: str) -> Any:  # noqa: ANN401 — whatever JSON can hold
    """The value of a JSON text.

    Raises:
        ContentFormatError: It is none.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ContentFormatError(f"{url} sends no JSON: {data[:80]!r}") from error


def cid_said(text: object) -> Cid:
    """A CID the node named.

    Raises:
        ContentFormatError: It is none.
    """
    try:
        return Cid.parse(str(text))
    except ModelReferenceError as error:
        raise ContentFormatError(f"the node names {text!r} as a CID") from error


def check_trailer(reply: Reply) -> None:
    """Refuse a stream that failed half-way. Source: kubo `corehttp`, which says so here.

    Raises:
        ConnectivityError: It did.
    """
    said = reply.trailer.get("x-stream-error")
    if said:
        raise ConnectivityError(f"{reply.url} broke off: {said}")


def node_error(reply: Reply, command: str, arguments: Sequence[str]) -> Exception:
    """A node answers 500 with a message for everything that failed."""
    if reply.status != 500:
        return refusal(reply, command)
    text = reply.read_text(_MAX_ERROR_BYTES)
    try:
        document = json.loads(text)
    except ValueError:
        document = {}
    message = document.get("Message") if isinstance(document, dict) else None
    return failure_said(str(message or text[:200]), command, arguments)


def failure_said(message: str, command: str, arguments: Sequence[str]) -> AccelerateError:
    """What a message of the node means."""
    subject = arguments[0] if arguments else ""
    text = f"the node's {command} {subject} failed: {message}"
    if any(phrase in message for phrase in _ABSENT):
        return ContentNotFoundError(text, details={"cid": subject})
    return ConnectivityError(text)
