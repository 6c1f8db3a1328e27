"""ONNX Runtime: its execution providers as devices, its own reports as evidence.

Nothing here imports the library; `_library` does when a runtime is first asked something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.plugins import hookimpl
from ipfs_accelerate.runtimes.onnxruntime._runtime import OnnxRuntime

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OnnxRuntime", "ipfs_accelerate_runtimes"]


@hookimpl
def ipfs_accelerate_runtimes() -> Sequence[OnnxRuntime]:
    """Offer ONNX Runtime."""
    return (OnnxRuntime(),)
