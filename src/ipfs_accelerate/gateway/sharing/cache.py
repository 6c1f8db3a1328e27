"""Answers kept in memory: least recently used go first, and none outlives its time."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import Response

__all__ = ["AnswerCache", "Kept"]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer from the cache and its age."""

    response: Response
    age_ns: int


class AnswerCache:
    """A bounded map from the identity of a request to its answer.

    Args:
        bound_bytes: Estimated memory of all answers.
        ttl_ns: Age at which an answer is not given any more.
    """

    def __init__(self, *, bound_bytes: int, ttl_ns: int) -> None:
        self._bound_bytes = bound_bytes
        self._ttl_ns = ttl_ns
        self._entries: OrderedDict[bytes, tuple[Response, int, int]] = OrderedDict()
        self.held_bytes = 0

    def get(self, identity: bytes, now_ns: int) -> Kept | None:
        """The answer, unless there is none or it is too old."""
        entry = self._entries.get(identity)
        if entry is None:
            return None
        response, kept_ns, _ = entry
        if now_ns - kept_ns >= self._ttl_ns:
            self._drop(identity)
            return None
        self._entries.move_to_end(identity)
        return Kept(response, now_ns - kept_ns)

    def put(self, identity: bytes, response: Response, now_ns: int, *, size_bytes: int) -> None:
        """Keep an answer; one that is larger than the whole cache is not kept."""
        self._drop(identity)
        if size_bytes > self._bound_bytes:
            return
        self._entries[identity] = (response, now_ns, size_bytes)
        self.held_bytes += size_bytes
        while self.held_bytes > self._bound_bytes:
            self._drop(next(iter(self._entries)))

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, identity: bytes) -> None:
        entry = self._entries.pop(identity, None)
        if entry is not None:
            self.held_bytes -= entry[2]
