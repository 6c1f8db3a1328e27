"""What happened to one call; what statistics, metrics and the ledger are made of.

No prompt, answer or secret is ever in a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.gateway.messages import Operation, Usage
    from ipfs_accelerate.gateway.routes import Priority

__all__ = ["AttemptRecord", "CallRecord", "Observer"]


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One try.

    Attributes:
        key: Name of the key, never the secret; ``None`` where the endpoint wants none.
        outcome: ``ok``, ``aborted``, or the code of the error.
        started_ns: After the call began.
        first_ns: From its start to the first piece of a stream, or to the whole answer.
        elapsed_ns: From its start to its end.
    """

    endpoint: str
    provider: str
    model: str
    key: str | None
    outcome: str
    started_ns: int
    elapsed_ns: int
    first_ns: int | None = None
    is_hedge: bool = False


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call from beginning to end.

    Attributes:
        request_id: As given to the caller.
        route: Name asked for.
        outcome: ``ok``, ``cancelled``, or the code of the error the caller got.
        queued_ns: From the call until its first try.
        first_ns: From the call until the caller had the first piece of a stream.
        elapsed_ns: From the call until its end.
        cost: In the currency of the price table; ``None`` without a price or without a count.
        batched: How many calls were joined to the request sent; 1 for none but this.
        shared: How many equal calls got this answer at the same time.
        age_ns: Of an answer from the cache, which cost nothing now; ``None`` for a fresh one.
    """

    request_id: str
    operation: Operation
    route: str
    priority: Priority
    outcome: str
    elapsed_ns: int
    attempts: tuple[AttemptRecord, ...] = ()
    queued_ns: int | None = None
    first_ns: int | None = None
    usage: Usage | None = None
    cost: float | None = None
    batched: int = 1
    is_stream: bool = False
    shared: int = 1
    age_ns: int | None = None

    @property
    def is_cached(self) -> bool:
        """Answered from the cache, without any try."""
        return self.age_ns is not None


Observer: TypeAlias = "Callable[[CallRecord], None]"
