"""OpenVINO: CPU, GPU, NPU and AUTO, with the precision it executes read back.

Nothing here imports the library; `_library` does when a runtime is first asked something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.plugins import hookimpl
from ipfs_accelerate.runtimes.openvino._runtime import OpenVinoRuntime

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OpenVinoRuntime", "ipfs_accelerate_runtimes"]


@hookimpl
def ipfs_accelerate_runtimes() -> Sequence[OpenVinoRuntime]:
    """Offer OpenVINO."""
    return (OpenVinoRuntime(),)
