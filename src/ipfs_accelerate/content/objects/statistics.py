"""What happened at each endpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["EndpointStatistics"]


@dataclass(frozen=True, slots=True)
class EndpointStatistics:
    """Counts since the pool was made; they hold no key, URL or credential.

    Attributes:
        name: Of the endpoint.
        state: ``closed``, ``open`` or ``half_open``; see `health.Health`.
        requests: Begun.
        failures: Silence, broken answers and "slow down".
        throttled: Of these, "slow down".
        missing: Answers "no such object".
        denied: Answers "access denied".
        wrong_bytes: Times its bytes did not have the hash they should.
        read_bytes: Bodies received.
        written_bytes: Bodies sent.
        in_flight: Requests now.
        latency_ns: Moving average of a request; ``None`` before the first answer.
    """

    name: str
    state: str
    requests: int = 0
    failures: int = 0
    throttled: int = 0
    missing: int = 0
    denied: int = 0
    wrong_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    in_flight: int = 0
    latency_ns: float | None = None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return asdict(self)
