"""Run any model where it runs best, on evidence.

The public surface of the Python package. Names are imported on first use, so that importing the
package loads no runtime, no database and no web library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.errors import AccelerateError
    from ipfs_accelerate.hardware import Device, Support
    from ipfs_accelerate.inference import Accelerator, ResourcePool
    from ipfs_accelerate.models import ModelArtifact, ModelRef
    from ipfs_accelerate.runtimes import Runtime, Session, Target
    from ipfs_accelerate.store import Ledger
    from ipfs_accelerate.telemetry import Origin

__all__ = [
    "AccelerateError",
    "Accelerator",
    "Device",
    "Ledger",
    "ModelArtifact",
    "ModelRef",
    "Origin",
    "ResourcePool",
    "Runtime",
    "Session",
    "Support",
    "Target",
    "__version__",
]

__version__ = "0.1.0"

_HOMES = {
    "AccelerateError": "errors",
    "Accelerator": "inference",
    "Device": "hardware",
    "Ledger": "store",
    "ModelArtifact": "models",
    "ModelRef": "models",
    "Origin": "telemetry",
    "ResourcePool": "inference",
    "Runtime": "runtimes",
    "Session": "runtimes",
    "Support": "hardware",
    "Target": "runtimes",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
