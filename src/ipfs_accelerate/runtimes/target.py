"""``runtime/device/precision[+option[=value]]``: where and how a model runs, as one string."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ipfs_accelerate.errors import UnknownNameError, UnknownTargetError
from ipfs_accelerate.hardware import Precision

__all__ = ["Target"]

_OPTION = re.compile(r"[a-z][a-z0-9_]*(?:=[A-Za-z0-9_.:-]+)?\Z")
_EXAMPLES = (
    "onnxruntime/cpu/int8",
    "openvino/cpu/fp32",
    "torch/cuda:0/bf16",
    "torch/cpu/fp32+compile",
)


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A device, a runtime and a precision that together can run a model.

    Attributes:
        runtime: Name of the runtime, ``onnxruntime``.
        device: Id of the device, ``cpu``, ``cuda:0``, ``chromium/webgpu``.
        precision: The precision to be executed.
        options: Sorted ``name`` or ``name=value`` switches, e.g. ``("compile",)``.

    Example:
        >>> str(Target.parse("torch/cpu/f32+compile"))
        'torch/cpu/fp32+compile'
    """

    runtime: str
    device: str
    precision: Precision
    options: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str | Target) -> Target:
        """Parse a target; whether it exists here is asked with `runtimes.support`.

        Raises:
            UnknownTargetError: The text has not the form of a target.
        """
        if isinstance(text, Target):
            return text
        head, *options = text.strip().split("+")
        parts = head.split("/")
        if len(parts) < 3 or not all(parts) or not all(_OPTION.match(o) for o in options):
            raise UnknownTargetError(
                text, _EXAMPLES, hint="a target is runtime/device/precision, e.g. " + _EXAMPLES[0]
            )
        try:
            precision = Precision.parse(parts[-1])
        except UnknownNameError as error:
            raise UnknownTargetError(
                text, _EXAMPLES, hint=f"unknown precision {parts[-1]!r}: {error.hint}"
            ) from error
        return cls(parts[0], "/".join(parts[1:-1]), precision, tuple(sorted(options)))

    def option(self, name: str) -> str | None:
        """Value of an option; ``""`` for a bare switch, ``None`` when it is not set."""
        for entry in self.options:
            key, _, value = entry.partition("=")
            if key == name:
                return value
        return None

    def __str__(self) -> str:
        return "+".join((f"{self.runtime}/{self.device}/{self.precision.value}", *self.options))
