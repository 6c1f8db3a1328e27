"""Content paths as they stand in a URL. Pure.

Source: specs.ipfs.tech/http-gateways/path-gateway. Each segment is percent-decoded once; a plus is
a plus; what could climb or split after decoding is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from ipfs_accelerate.content.limits import MAX_PATH_DEPTH
from ipfs_accelerate.errors import InputError

__all__ = ["ContentPath", "header_path", "parse_path"]

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SAFE = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class ContentPath:
    """``/ipfs/{root}/{segments…}``.

    Attributes:
        namespace: ``ipfs`` or ``ipns``.
        root: Text of the CID or name.
        segments: Decoded; bytes that are not UTF-8 are kept as surrogates.
        is_folder: It ends with a slash.
    """

    namespace: str
    root: str
    segments: tuple[str, ...] = ()
    is_folder: bool = False


def parse_path(path: str) -> ContentPath:
    """Take a raw URL path apart; empty segments count for nothing.

    Raises:
        InputError: It is not a content path, or a segment is not acceptable.
    """
    parts = path.split("/")
    if len(parts) < 3 or parts[0] or parts[1] not in {"ipfs", "ipns"} or not parts[2]:
        raise InputError(f"not a content path: {path[:200]!r}", hint="ask for /ipfs/{cid}")
    if len(parts) > MAX_PATH_DEPTH + 4:
        raise InputError(f"a path of {len(parts)} parts is deeper than {MAX_PATH_DEPTH}")
    segments = tuple(_segment(part) for part in parts[3:] if part)
    return ContentPath(parts[1], _segment(parts[2]), segments, path.endswith("/"))


def header_path(path: str) -> str:
    """A raw URL path as it may stand in a header: what is not ASCII percent-encoded."""
    return quote(path.encode("utf-8", "surrogateescape"), safe=_SAFE)


def _segment(part: str) -> str:
    if _BROKEN_ESCAPE.search(part):
        raise InputError(f"a broken percent escape in {part[:200]!r}")
    name = unquote_to_bytes(part.encode("utf-8", "surrogateescape")).decode(
        "utf-8", "surrogateescape"
    )
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise InputError(f"{part[:200]!r} cannot be a name in a path")
    return name
