"""Services behind the gateway as targets of a benchmark: ``gateway/<route or endpoint>/remote``.

They are measured like any other target, but with texts, over the network, and without what only the
service knows: precision, memory, placement. No other capability can choose such a target.
"""

from ipfs_accelerate.bench.remote.targets import is_remote, remote_targets

__all__ = ["is_remote", "remote_targets"]
