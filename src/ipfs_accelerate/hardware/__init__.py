"""Devices of this machine: what they are, what they can compute, and why one cannot be used.

No runtime is loaded here; a probe reads files and vendors' management libraries.
"""

from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.precision import Precision

__all__ = ["Device", "DeviceKind", "Precision", "Support"]
