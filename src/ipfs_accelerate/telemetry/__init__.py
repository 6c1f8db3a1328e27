"""What an observation is: its origin, its clock, and the state of machine and process around it.

No storage, no statistics and no hardware detection live here.
"""

from ipfs_accelerate.telemetry.clock import Clock, FakeClock, MonotonicClock
from ipfs_accelerate.telemetry.observe import (
    MachineLoad,
    ProcessUsage,
    observe_machine,
    observe_process,
)
from ipfs_accelerate.telemetry.origin import Origin

__all__ = [
    "Clock",
    "FakeClock",
    "MachineLoad",
    "MonotonicClock",
    "Origin",
    "ProcessUsage",
    "observe_machine",
    "observe_process",
]
