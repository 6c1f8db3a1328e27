"""What a caller gets: the answer and how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from ipfs_accelerate.gateway.messages import ChatResponse, CompletionResponse

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import Usage
    from ipfs_accelerate.gateway.records import CallRecord

__all__ = ["Answer"]

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Answer(Generic[R_co]):
    """An answer with its record.

    Attributes:
        response: Of the service.
        record: Who gave it after how many tries, how long it took, what it cost.
    """

    response: R_co
    record: CallRecord

    @property
    def text(self) -> str:
        """The text of a chat or of a single completion; empty where there is none."""
        if isinstance(self.response, ChatResponse):
            return self.response.message.text
        if isinstance(self.response, CompletionResponse):
            return "".join(self.response.texts[:1])
        return ""

    @property
    def endpoint(self) -> str | None:
        """Who answered; ``None`` for the cache."""
        tries = self.record.attempts
        return next((one.endpoint for one in tries if one.outcome == "ok"), None)

    @property
    def usage(self) -> Usage | None:
        """Tokens as the service counted them."""
        return self.record.usage
