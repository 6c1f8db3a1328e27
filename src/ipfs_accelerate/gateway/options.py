"""How a gateway behaves, and how a single request is to be treated."""

from __future__ import annotations

from dataclasses import dataclass, field

from ipfs_accelerate.gateway.reliability.settings import ReliabilitySettings
from ipfs_accelerate.gateway.routes import Priority
from ipfs_accelerate.gateway.sharing.settings import SharingSettings

__all__ = ["CallOptions", "GatewaySettings"]


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How a request is to be treated.

    Attributes:
        deadline_s: From now on; ``None`` takes the route's.
        request_id: Goes into records and is given back; made up when ``None``.
        idempotency_key: For services which know such keys; ``None`` takes the request's id.
        may_share: The answer may come from the cache or from an equal request of another caller.
        batched: Calls joined to this one; set by the gateway.
    """

    priority: Priority = Priority.NORMAL
    deadline_s: float | None = None
    request_id: str | None = None
    idempotency_key: str | None = None
    may_share: bool = True
    batched: int = 1


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """How a gateway behaves.

    Attributes:
        sharing: What callers may share: joined batches, single flight, a cache.
        reliability: How patient, careful and fair it is.
    """

    sharing: SharingSettings = field(default_factory=SharingSettings)
    reliability: ReliabilitySettings = field(default_factory=ReliabilitySettings)
