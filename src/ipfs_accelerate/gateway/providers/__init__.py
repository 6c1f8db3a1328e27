"""One file for each kind of service, all behind `Provider`.

A new service is one new file here and one line in `registry`.
"""

from ipfs_accelerate.gateway.providers.protocol import (
    Capabilities,
    ChunkParser,
    Provider,
    RateReport,
)

__all__ = ["Capabilities", "ChunkParser", "Provider", "RateReport"]
