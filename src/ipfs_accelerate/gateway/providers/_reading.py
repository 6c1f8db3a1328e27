"""JSON of others, read with a check of every type: what does not fit is `Unreadable`."""

from __future__ import annotations

import base64
import binascii
import json
import math
from array import array
from sys import byteorder

__all__ = [
    "Unreadable",
    "arguments_of",
    "count",
    "items",
    "maybe_object",
    "maybe_text",
    "members",
    "number",
    "read_json",
    "text",
    "vector",
]

_MOST_COUNT = 2**53


class Unreadable(ValueError):  # noqa: N818 — never leaves the providers
    """What in an answer is not as the protocol promises; becomes a `MalformedAnswerError`."""


def _no_constant(name: str) -> object:
    raise ValueError(name)


_DECODE = json.JSONDecoder(parse_constant=_no_constant).decode


def read_json(data: bytes | str) -> object:
    """The value that ``data`` writes down."""
    try:
        # not "utf-8-sig", which is written in Python and takes as long as the reading itself
        return _DECODE(data if isinstance(data, str) else data.decode().removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise Unreadable("is not JSON" if data else "is empty") from error


def members(value: object, what: str) -> dict[str, object]:
    """An object's members."""
    if type(value) is dict:
        return value
    raise Unreadable(f"has no object as {what}")


def maybe_object(value: object, what: str) -> dict[str, object]:
    """An object's members; empty for ``null`` and for what is absent."""
    return {} if value is None else members(value, what)


def items(value: object, what: str) -> list[object]:
    """The items of a list."""
    if type(value) is list:
        return value
    raise Unreadable(f"has no list as {what}")


def text(value: object, what: str) -> str:
    """Text that can be written as UTF-8: JSON may smuggle in halves of surrogate pairs."""
    if type(value) is not str:
        raise Unreadable(f"has no text as {what}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Unreadable(f"has half a character in {what}") from error
    return value


def maybe_text(value: object, what: str) -> str | None:
    """Text, or ``None`` for ``null`` and for what is absent."""
    return None if value is None else text(value, what)


def count(value: object, what: str) -> int | None:
    """A whole number from 0, or ``None`` for ``null`` and for what is absent."""
    if value is None:
        return None
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int and 0 <= value < _MOST_COUNT:
        return value
    raise Unreadable(f"has no count as {what}")


def number(value: object, what: str) -> float:
    """A finite number."""
    try:
        found = float(value) if type(value) in {int, float} else math.nan  # type: ignore[arg-type]
    except OverflowError:
        found = math.inf
    if math.isfinite(found):
        return found
    raise Unreadable(f"has no finite number as {what}")


def arguments_of(value: object) -> str:
    """A tool call's arguments as JSON text, from services that send them as an object."""
    found = members(value, "a tool call's arguments")
    try:
        return text(json.dumps(found, ensure_ascii=False), "a tool call's arguments")
    except RecursionError as error:
        raise Unreadable("has a tool call whose arguments are nested too deeply") from error


def vector(value: object) -> tuple[float, ...]:
    """An embedding: a list of numbers, or base64 of little-endian 32-bit floats.

    Source: OpenAI API reference, "Create embeddings", ``encoding_format``.
    """
    found = _floats_of_text(value) if type(value) is str else _floats_of_list(value)
    if not found:
        raise Unreadable("has an empty embedding")
    if not all(map(math.isfinite, found)):
        raise Unreadable("has an embedding with a number that is not finite")
    return found


def _floats_of_list(value: object) -> tuple[float, ...]:
    numbers = items(value, "an embedding")
    if not set(map(type, numbers)) <= {int, float}:
        raise Unreadable("has an embedding with something else than numbers")
    try:
        return tuple(map(float, numbers))  # type: ignore[arg-type]
    except OverflowError as error:
        raise Unreadable("has an embedding with a number that is not finite") from error


def _floats_of_text(value: str) -> tuple[float, ...]:
    floats = array("f")
    try:
        floats.frombytes(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError) as error:
        raise Unreadable("has an embedding that is not base64 of 32-bit floats") from error
    if byteorder == "big":
        floats.byteswap()
    return tuple(floats)
