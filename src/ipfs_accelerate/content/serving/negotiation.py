"""What form of an answer a request asks for. Pure.

Source: specs.ipfs.tech/http-gateways/trustless-gateway; the query outranks the Accept header.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from ipfs_accelerate.content.serving.byte_ranges import EntityBytes, parse_entity_bytes
from ipfs_accelerate.content.serving.routes import RefusedError
from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CarForm", "Format", "Wanted", "negotiate", "parse_query"]


class Format(StrEnum):
    """Forms of an answer, by their name in ``?format=``."""

    RAW = "raw"
    CAR = "car"
    IPNS_RECORD = "ipns-record"
    JSON = "json"
    CBOR = "cbor"
    DAG_JSON = "dag-json"
    DAG_CBOR = "dag-cbor"
    PLAIN = ""


MEDIA_TYPES = {
    "application/vnd.ipld.raw": Format.RAW,
    "application/vnd.ipld.car": Format.CAR,
    "application/vnd.ipfs.ipns-record": Format.IPNS_RECORD,
    "application/json": Format.JSON,
    "application/cbor": Format.CBOR,
    "application/vnd.ipld.dag-json": Format.DAG_JSON,
    "application/vnd.ipld.dag-cbor": Format.DAG_CBOR,
}
_SCOPES = ("all", "entity", "block")


@dataclass(frozen=True, slots=True)
class CarForm:
    """How a CAR is to be made.

    Attributes:
        scope: ``all``, ``entity`` or ``block``.
        span: Of the entity; ``None`` for all of it.
        has_duplicates: A block is sent each time it is met.
    """

    scope: str = "all"
    span: EntityBytes | None = None
    has_duplicates: bool = False

    @property
    def media_type(self) -> str:
        """With every parameter that is known."""
        duplicates = "y" if self.has_duplicates else "n"
        return f"application/vnd.ipld.car; version=1; order=dfs; dups={duplicates}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for.

    Attributes:
        format: Form of the answer.
        is_by_header: The Accept header said so, not the query.
        car: Where it is a CAR.
        filename: For ``Content-Disposition``; ``None`` where none was given.
        is_download: Deserialized content is to be saved, not shown.
        has_accept: The request names a form it would take.
    """

    format: Format
    is_by_header: bool = False
    car: CarForm = CarForm()
    filename: str | None = None
    is_download: bool = False
    has_accept: bool = True


def parse_query(query: str) -> dict[str, str]:
    """Parameters of a query; of repeated ones the first.

    Raises:
        InputError: There are more than 32.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=32)
    except ValueError as error:
        raise InputError(f"a query has too many parameters ({error})") from error
    return dict(reversed(pairs))


def negotiate(query: Mapping[str, str], accept: str) -> Wanted:
    """Decide the form of the answer.

    Raises:
        InputError: A parameter has a value that the specification does not know.
        RefusedError: With status 406: what is asked for exists, but is not offered here.
    """
    named = query.get("format", "")
    media, parameters = _preferred(accept)
    form = _named(named) if named else media
    wanted = Wanted(
        form,
        is_by_header=not named and form is not Format.PLAIN,
        filename=query.get("filename") or None,
        is_download=query.get("download") == "true",
        has_accept=bool(accept or named),
    )
    if form is not Format.CAR:
        return wanted
    hints = dict(parameters) if media is Format.CAR else {}
    hints |= {
        name: query[f"car-{name}"]
        for name in ("version", "order", "dups")
        if f"car-{name}" in query
    }
    return replace(wanted, car=_car(query, hints))


def _named(name: str) -> Format:
    try:
        return Format(name)
    except ValueError as error:
        if name == "tar":
            raise RefusedError(406, "TAR is not offered: ask for a CAR") from error
        raise InputError(
            f"format={name[:40]!r} is unknown", hint="raw, car, ipns-record"
        ) from error


def _preferred(accept: str) -> tuple[Format, dict[str, str]]:
    """The supported media type of the greatest weight; the first of equals."""
    best: tuple[float, Format, dict[str, str]] = (0.0, Format.PLAIN, {})
    for item in accept.split(",")[:32]:
        name, *rest = (part.strip() for part in item.split(";"))
        form = MEDIA_TYPES.get(name.lower())
        parameters = dict(_parameter(part) for part in rest)
        weight = _weight(parameters.get("q", "1"))
        if form is not None and weight > best[0] and _is_offered(form, parameters):
            best = (weight, form, parameters)
    if best[0] == 0.0 and "application/vnd.ipld.car" in accept.lower():
        raise RefusedError(406, f"the only CARs offered are {_OFFERED}")
    return best[1], best[2]


def _is_offered(form: Format, parameters: Mapping[str, str]) -> bool:
    return form is not Format.CAR or (
        parameters.get("version", "1") == "1"
        and parameters.get("order", "dfs") in {"dfs", "unk", ""}
        and parameters.get("dups", "n") in {"y", "n", ""}
    )


_OFFERED = "version=1; order=dfs; dups=y or n"


def _car(query: Mapping[str, str], hints: Mapping[str, str]) -> CarForm:
    if not _is_offered(Format.CAR, hints):
        raise RefusedError(406, f"the only CARs offered are {_OFFERED}")
    span = parse_entity_bytes(query["entity-bytes"]) if "entity-bytes" in query else None
    scope = query.get("dag-scope", "all" if span is None else "entity")
    if scope not in _SCOPES:
        raise InputError(f"dag-scope={scope[:40]!r} is unknown", hint=", ".join(_SCOPES))
    return CarForm("entity" if span is not None else scope, span, hints.get("dups") == "y")


def _parameter(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip().lower(), value.strip().strip('"')


def _weight(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0
