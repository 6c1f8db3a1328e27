"""What each service would send to the suite's questions, written from its public description.

None of it was recorded from the real service. ``cases()`` gives a `ProviderCase` for each kind.
"""

from ipfs_accelerate.testing.conformance.recorded.cases import cases

__all__ = ["cases"]
