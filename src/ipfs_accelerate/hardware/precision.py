"""Number formats a model can be executed in."""

from __future__ import annotations

from enum import StrEnum

from ipfs_accelerate.errors import UnknownNameError

__all__ = ["Precision"]

_ALIASES = {
    "f32": "fp32",
    "float32": "fp32",
    "f16": "fp16",
    "float16": "fp16",
    "half": "fp16",
    "bfloat16": "bf16",
    "i8": "int8",
    "q8": "int8",
    "i4": "int4",
    "q4": "int4",
    "q2": "int2",
    "q3": "int3",
}


class Precision(StrEnum):
    """The precision of the arithmetic that dominates a run (weights and matrix products).

    ``remote`` is that of a service which does not say.
    """

    FP64 = "fp64"
    FP32 = "fp32"
    TF32 = "tf32"
    FP16 = "fp16"
    BF16 = "bf16"
    FP8 = "fp8"
    INT8 = "int8"
    INT4 = "int4"
    INT3 = "int3"
    INT2 = "int2"
    BINARY = "binary"
    REMOTE = "remote"

    @classmethod
    def parse(cls, text: str) -> Precision:
        """Parse a precision by its name or a usual alias (``f32``, ``q4``, ``bfloat16``).

        Raises:
            UnknownNameError: The text is none of them.
        """
        name = text.strip().lower()
        try:
            return cls(_ALIASES.get(name, name))
        except ValueError as error:
            raise UnknownNameError(text, [p.value for p in cls]) from error

    @property
    def is_quantized(self) -> bool:
        """Whether weights are stored as integers with scales."""
        return self in {
            Precision.INT8,
            Precision.INT4,
            Precision.INT3,
            Precision.INT2,
            Precision.BINARY,
        }
