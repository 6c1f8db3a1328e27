"""What one server grants to all and to each of its clients."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ipfs_accelerate.errors import ConfigurationError

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a server. A client is an address.

    Attributes:
        connections: Open at once; further ones get 503 and are closed.
        connections_per_client: Likewise for one client.
        requests_per_s: Lasting rate of one client; ``None`` is no limit. Beyond it: 429.
        request_burst: Requests one client may save up.
        bytes_per_s: Lasting rate of bodies to one client; ``None`` is no limit. What is being sent
            is slowed down, what is asked beyond it gets 429.
        byte_burst: Bytes one client may save up.
        car_streams: CARs being sent at once; further ones get 429.
        target_bytes: Longest request line.
        header_bytes: Longest header field.
        header_timeout_s: From a request's first byte to the end of its headers, and for its body.
        idle_timeout_s: Between requests of one connection.
        stall_timeout_s: For a client to take one MiB.
        workers: Threads that read the store.
    """

    connections: int = 2048
    connections_per_client: int = 1024
    requests_per_s: float | None = 2000.0
    request_burst: int = 4000
    bytes_per_s: float | None = None
    byte_burst: int = 64 * 2**20
    car_streams: int = 32
    target_bytes: int = 8190
    header_bytes: int = 8190
    header_timeout_s: float = 10.0
    idle_timeout_s: float = 75.0
    stall_timeout_s: float = 30.0
    workers: int = 8

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is not None and value <= 0:
                raise ConfigurationError(f"limit {entry.name} is {value}; it must be positive")
