"""Where a number comes from."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Origin"]


class Origin(StrEnum):
    """How a value came to be; every stored and shown value carries one.

    ``measured``: the named device produced it. ``emulated``: a functional emulator of the device
    ran (never a latency of the device). ``simulated``: computed from a model of the device.
    ``predicted``: learned from other measurements. ``imported``: taken from elsewhere.
    """

    MEASURED = "measured"
    EMULATED = "emulated"
    SIMULATED = "simulated"
    PREDICTED = "predicted"
    IMPORTED = "imported"

    @property
    def is_real(self) -> bool:
        """Whether the device named in the row produced the value, observed by us."""
        return self is Origin.MEASURED
