"""Fakes and conformance suites for tests of this product and of plugins.

The product itself never uses them.
"""

from ipfs_accelerate.testing.null_runtime import (
    Behaviour,
    Failure,
    NullRuntime,
    NullSession,
    installed,
    null_device,
)

__all__ = [
    "Behaviour",
    "Failure",
    "NullRuntime",
    "NullSession",
    "installed",
    "null_device",
]
