"""Devices of this machine: what they are, what they can compute, and why one cannot be used.

No runtime is loaded here; a probe reads files and vendors' management libraries.
"""

from ipfs_accelerate.hardware.detect import detect
from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.precision import Precision
from ipfs_accelerate.hardware.sensors import (
    EnergySensor,
    TemperatureSensor,
    energy_sensors,
    temperature_sensors,
)
from ipfs_accelerate.hardware.system import System

__all__ = [
    "Device",
    "DeviceKind",
    "EnergySensor",
    "Precision",
    "Support",
    "System",
    "TemperatureSensor",
    "detect",
    "energy_sensors",
    "temperature_sensors",
]
