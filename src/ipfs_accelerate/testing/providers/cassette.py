"""Recorded exchanges: a file of JSON lines, one exchange in each.

A line holds ``version`` (1), ``method``, ``path`` (with the query, keys blotted out), ``body`` (a
BLAKE2b hash of the request's body, whose JSON is first put into canonical form), ``status``,
``headers`` and ``pieces``: a list of ``{"after_s", "text"}`` or, for bytes that are not UTF-8,
``{"after_s", "base64"}``. Headers of requests are not kept, nor is any key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Exchange", "body_hash", "credentials", "read_cassette", "safe_path", "to_line"]

_VERSION = 1
_BLOT = "[key]"
_KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
_KEY_IN_QUERY = re.compile(r"(?i)([?&](?:key|api[-_]?key|token|access_token)=)[^&]*")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer.

    Attributes:
        path: As `safe_path` gives it.
        body: As `body_hash` gives it.
        pieces: Seconds since the piece before, and bytes.
    """

    method: str
    path: str
    body: str
    status: int
    headers: Mapping[str, str]
    pieces: tuple[tuple[float, bytes], ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """What a request has to be like for this answer."""
        return self.method, self.path, self.body


def body_hash(body: bytes) -> str:
    """The same for bodies that say the same."""
    try:
        said = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except ValueError:
        said = body
    return hashlib.blake2b(said, digest_size=16).hexdigest()


def safe_path(path: str) -> str:
    """A path whose query shows no key."""
    return _KEY_IN_QUERY.sub(rf"\1{_BLOT}", path)


def credentials(path: str, headers: Mapping[str, str]) -> set[str]:
    """The keys in a request; names of ``headers`` are lower case."""
    found = [headers.get(name, "").rpartition(" ")[2] for name in _KEY_HEADERS]
    found += [match.group().rpartition("=")[2] for match in _KEY_IN_QUERY.finditer(path)]
    return {key for key in found if key}


def to_line(exchange: Exchange, secrets: Iterable[str] = ()) -> str:
    """A line of the file, without its end; ``secrets`` are blotted out of the answer."""
    pieces = _blotted(exchange.pieces, [secret.encode() for secret in secrets])
    headers = {name: _plain(value, secrets) for name, value in exchange.headers.items()}
    return json.dumps(
        {
            "version": _VERSION,
            "method": exchange.method,
            "path": exchange.path,
            "body": exchange.body,
            "status": exchange.status,
            "headers": headers,
            "pieces": [_written(after_s, data) for after_s, data in pieces],
        },
        ensure_ascii=False,
    )


def read_cassette(path: Path) -> list[Exchange]:
    """All exchanges of a file, in order.

    Raises:
        InputError: It is no such file.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(_exchange(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"line {number} of {path.name} is no recorded exchange",
                hint="record it again with Recorder, or with --record",
            ) from error
    return found


def _exchange(value: dict[str, object]) -> Exchange:
    if value["version"] != _VERSION:
        raise ValueError(value["version"])
    headers, pieces = value["headers"], value["pieces"]
    if not isinstance(headers, dict) or not isinstance(pieces, list):
        raise TypeError
    return Exchange(
        str(value["method"]),
        str(value["path"]),
        str(value["body"]),
        int(str(value["status"])),
        {str(name): str(text) for name, text in headers.items()},
        tuple((float(piece["after_s"]), _bytes(piece)) for piece in pieces),
    )


def _blotted(
    pieces: tuple[tuple[float, bytes], ...], secrets: list[bytes]
) -> tuple[tuple[float, bytes], ...]:
    whole = b"".join(data for _, data in pieces)
    if not any(secret in whole for secret in secrets):
        return pieces
    for secret in secrets:  # it may lie across pieces, so they become one
        whole = whole.replace(secret, _BLOT.encode())
    return ((sum(after_s for after_s, _ in pieces), whole),)


def _plain(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, _BLOT)
    return text


def _written(after_s: float, data: bytes) -> dict[str, object]:
    try:
        return {"after_s": round(after_s, 6), "text": data.decode()}
    except UnicodeDecodeError:
        return {"after_s": round(after_s, 6), "base64": base64.b64encode(data).decode()}


def _bytes(piece: dict[str, str]) -> bytes:
    return piece["text"].encode() if "text" in piece else base64.b64decode(piece["base64"])
