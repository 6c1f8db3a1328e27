"""PyTorch: eager by default, compiled as an option, on CPU, CUDA, ROCm, MPS and XPU.

Nothing here imports the library; `_library` does when a runtime is first asked something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.plugins import hookimpl
from ipfs_accelerate.runtimes.torch._runtime import TorchRuntime

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TorchRuntime", "ipfs_accelerate_runtimes"]


@hookimpl
def ipfs_accelerate_runtimes() -> Sequence[TorchRuntime]:
    """Offer PyTorch."""
    return (TorchRuntime(),)
