"""Joins embedding and completion requests that differ in their texts alone, and splits answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InternalError
from ipfs_accelerate.gateway.messages import (
    CompletionRequest,
    CompletionResponse,
    EmbeddingRequest,
    EmbeddingResponse,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.gateway.messages import Request, Response

__all__ = ["Joiner", "Member", "count_texts", "joined", "parts"]


def count_texts(request: Request) -> int:
    """How many texts a request asks about."""
    return len(_texts(request))


def joined(requests: Sequence[Request]) -> Request:
    """One request for the texts of all, in order."""
    texts = tuple(text for request in requests for text in _texts(request))
    first = requests[0]
    if isinstance(first, EmbeddingRequest):
        return replace(first, inputs=texts)
    if isinstance(first, CompletionRequest):
        return replace(first, prompts=texts)
    raise InternalError(f"requests of kind {first.operation} cannot be joined")


def parts(response: Response, counts: Sequence[int]) -> list[Response]:
    """The answer to each of the joined requests.

    Tokens are shared out by the number of texts, as services count the request as a whole;
    rounded, so that the sum stays theirs.
    """
    shares = _shared(response.usage, counts)
    found: list[Response] = []
    start = 0
    for count, usage in zip(counts, shares, strict=True):
        found.append(_slice(response, slice(start, start + count), usage))
        start += count
    return found


def _slice(response: Response, place: slice, usage: Usage) -> Response:
    if isinstance(response, EmbeddingResponse):
        return replace(response, vectors=response.vectors[place], usage=usage)
    if isinstance(response, CompletionResponse):
        return replace(
            response,
            texts=response.texts[place],
            finish_reasons=response.finish_reasons[place],
            usage=usage,
        )
    raise InternalError("an answer of this kind cannot be split")


def _shared(usage: Usage, counts: Sequence[int]) -> list[Usage]:
    columns = [
        _split(whole, counts)
        for whole in (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
    ]
    return [Usage(*row) for row in zip(*columns, strict=True)]


def _split(whole: int | None, counts: Sequence[int]) -> list[int | None]:
    if whole is None:
        return [None] * len(counts)
    total, seen, given = sum(counts), 0, 0
    split: list[int | None] = []
    for count in counts:
        seen += count
        upto = whole * seen // total
        split.append(upto - given)
        given = upto
    return split


def _texts(request: Request) -> tuple[str, ...]:
    if isinstance(request, EmbeddingRequest):
        return request.inputs
    return request.prompts if isinstance(request, CompletionRequest) else ()


@dataclass(frozen=True, slots=True)
class Member:
    """A request in a group, and how many texts it has."""

    name: int
    texts: int


@dataclass(slots=True)
class Group:
    """Requests that wait to be joined."""

    members: list[int]
    texts: int
    due_ns: int


class Joiner:
    """Decides when a group is sent: when it is full, or when its first member has waited enough.

    Args:
        window_ns: Longest wait.
    """

    def __init__(self, *, window_ns: int) -> None:
        self._window_ns = window_ns
        self._groups: dict[bytes, Group] = {}

    def add(self, group: bytes, member: Member, now_ns: int, *, most: int) -> list[list[int]]:
        """Let a request wait.

        Args:
            group: Requests of one group may be joined.
            member: The request.
            now_ns: The moment.
            most: Texts in one joined request of this group.

        Returns:
            The groups to send now, in the order they filled.
        """
        full: list[list[int]] = []
        waiting = self._groups.get(group)
        if waiting is not None and waiting.texts + member.texts > most:
            full.append(self._groups.pop(group).members)
            waiting = None
        if waiting is None:
            waiting = self._groups[group] = Group([], 0, now_ns + self._window_ns)
        waiting.members.append(member.name)
        waiting.texts += member.texts
        if waiting.texts >= most:
            full.append(self._groups.pop(group).members)
        return full

    def due(self, now_ns: int) -> list[list[int]]:
        """Groups whose first member has waited enough."""
        ripe = [name for name, group in self._groups.items() if group.due_ns <= now_ns]
        return [self._groups.pop(name).members for name in ripe]

    def next_ns(self) -> int | None:
        """When the next group is due; ``None`` when none waits."""
        return min((group.due_ns for group in self._groups.values()), default=None)

    def remove(self, group: bytes, member: Member) -> None:
        """A caller does not wait any more."""
        waiting = self._groups.get(group)
        if waiting is None or member.name not in waiting.members:
            return
        waiting.members.remove(member.name)
        waiting.texts -= member.texts
        if not waiting.members:
            del self._groups[group]
