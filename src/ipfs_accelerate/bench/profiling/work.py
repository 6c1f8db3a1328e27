"""Arithmetic and bytes of one operator from the shapes its runtime reports."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.profiling.vocabulary import OpKind, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ipfs_accelerate.runtimes import OpTiming

__all__ = ["OpWork", "work_of_operator"]

_BITS = {
    "float64": 64, "int64": 64, "uint64": 64, "float32": 32, "int32": 32, "uint32": 32,
    "float16": 16, "bfloat16": 16, "int16": 16, "uint16": 16, "int8": 8, "uint8": 8, "bool": 8,
    "int4": 4, "uint4": 4,
}  # fmt: skip
#: Operators that hand on the memory of their input.
_VIEWS = frozenset({
    "alias", "as_strided", "contiguous", "detach", "dropout", "expand", "flatten", "identity",
    "lift_fresh", "permute", "reshape", "shape", "shapeof", "slice_view", "squeeze", "t",
    "unsqueeze", "view", "select", "split", "chunk", "unbind",
})  # fmt: skip
_PYTORCH_VIEWS = _VIEWS | {"slice", "transpose", "to"}

_Tensor = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class OpWork:
    """Work of one repetition of an operator.

    Attributes:
        flops: Multiplications and additions; ``None`` when they could not be counted.
        moved_bytes: Read and written at least; ``None`` likewise.
        reason: Why one of them is not known; ``None`` when both are.
    """

    flops: int | None
    moved_bytes: int | None
    reason: str | None = None

    @property
    def intensity(self) -> float | None:
        """Operations per byte; ``None`` where either is unknown or nothing is moved."""
        if self.flops is None or not self.moved_bytes:
            return None
        return self.flops / self.moved_bytes


def work_of_operator(operator: OpTiming) -> OpWork:
    """Count one operator: on its runtime's graph where that was done, else from its shapes.

    Source: the rules of `models.flops.count_work`.
    """
    if operator.inputs is None:
        return OpWork(operator.flops, None, "the runtime does not tell its shapes")
    kind = kind_of(operator.op_type)
    outputs = operator.outputs if operator.outputs is not None else _derived(kind, operator.inputs)
    if outputs is None:
        return OpWork(operator.flops, None, f"no rule for the result of {operator.op_type}")
    flops = operator.flops
    if flops is None:
        flops = _count(kind, operator.inputs, outputs)
    moved = _moved(operator, kind, outputs)
    calls = operator.calls
    reason = None if flops is not None else f"no rule for the work of {operator.op_type}"
    if moved is None:
        reason = reason or "a type of unknown width"
    return OpWork(
        None if flops is None else flops * calls, None if moved is None else moved * calls, reason
    )


def _size(tensor: _Tensor) -> int:
    return math.prod(tensor[1])


def _bytes(tensors: Sequence[_Tensor]) -> int | None:
    if any(kind not in _BITS for kind, _ in tensors):
        return None
    return sum(_size(t) * _BITS[t[0]] // 8 for t in tensors)


def _moved(operator: OpTiming, kind: OpKind, outputs: Sequence[_Tensor]) -> int | None:
    name = operator.op_type.lower().strip("_")
    # PyTorch alone reports no outputs; its transposes and slices are views, others copy.
    views = _PYTORCH_VIEWS if operator.outputs is None else _VIEWS
    if name in views:
        return 0
    inputs = operator.inputs or ()
    written = _bytes(outputs)
    if kind is OpKind.EMBEDDING and inputs:  # only the rows that are looked up
        indices = _bytes(inputs[1:2])
        return None if written is None or indices is None else 2 * written + indices
    read = _bytes(inputs)
    return None if read is None or written is None else read + written


def _count(kind: OpKind, inputs: Sequence[_Tensor], outputs: Sequence[_Tensor]) -> int | None:
    if not outputs:
        return None
    if kind in {OpKind.COPY, OpKind.EMBEDDING, OpKind.CONTROL}:
        return 0
    rule = _RULES.get(kind)
    return rule(inputs, _size(outputs[0])) if rule and inputs else None


def _per_result(factor: int) -> Callable[[Sequence[_Tensor], int], int | None]:
    return lambda _inputs, size: factor * size


def _product(inputs: Sequence[_Tensor], size: int) -> int | None:
    left = inputs[0][1]
    if len(inputs) < 2 or not left:
        return None
    bias = size if len(inputs) > 2 and len(inputs[2][1]) == 1 else 0
    return 2 * size * left[-1] + bias


def _convolution(inputs: Sequence[_Tensor], size: int) -> int | None:
    kernel = inputs[1][1] if len(inputs) > 1 else ()
    if len(kernel) < 3:
        return None
    channels = inputs[0][1][1] if len(inputs[0][1]) > 1 else 0
    # A grouped kernel may carry its groups as an axis of its own: (groups, out, in, kernel…).
    inner = kernel[2:] if len(kernel) > len(inputs[0][1]) else kernel[1:]
    bias = size if len(inputs) > 2 else 0
    return 2 * size * math.prod(inner) + bias if channels else None


def _attention(inputs: Sequence[_Tensor], size: int) -> int | None:  # noqa: ARG001
    if len(inputs) < 3 or any(len(shape) != 4 for _, shape in inputs[:3]):
        return None
    query, key, value = (shape for _, shape in inputs[:3])
    pairs = query[0] * query[1] * query[2] * key[2]
    return int(2 * pairs * (key[3] + value[3]) + 5 * pairs)


def _reduction(inputs: Sequence[_Tensor], size: int) -> int | None:  # noqa: ARG001
    return _size(inputs[0])


_RULES: dict[OpKind, Callable[[Sequence[_Tensor], int], int | None]] = {
    OpKind.MATMUL: _product,
    OpKind.CONVOLUTION: _convolution,
    OpKind.ATTENTION: _attention,
    OpKind.NORMALIZATION: _per_result(7),
    OpKind.ACTIVATION: _per_result(1),
    OpKind.ELEMENTWISE: _per_result(1),
    OpKind.QUANTIZATION: _per_result(1),
    OpKind.REDUCTION: _reduction,
}


def _derived(kind: OpKind, inputs: Sequence[_Tensor]) -> tuple[_Tensor, ...] | None:
    """Result of an operator whose runtime reports its inputs only; ``None`` without a rule."""
    if not inputs:
        return None
    first = inputs[0]
    if kind is OpKind.MATMUL:
        return _product_shape(inputs)
    if kind is OpKind.ELEMENTWISE:
        return (max(inputs, key=_size),)
    if kind in {OpKind.NORMALIZATION, OpKind.ACTIVATION, OpKind.COPY}:
        return (first,)
    shape = None
    if kind is OpKind.EMBEDDING and len(inputs) > 1:
        shape = (*inputs[1][1], *first[1][1:])
    elif kind is OpKind.ATTENTION and len(inputs) > 2:
        shape = (*first[1][:-1], inputs[2][1][-1])
    return None if shape is None else ((first[0], shape),)


def _product_shape(inputs: Sequence[_Tensor]) -> tuple[_Tensor, ...] | None:
    """Of ``linear`` (weights as out × in) and of plain products."""
    if len(inputs) < 2:
        return None
    (kind, left), (_, right) = inputs[0], inputs[1]
    if len(left) < 1 or len(right) < 2:
        return None
    is_linear = len(right) == 2 and right[1] == left[-1] and len(left) != 2
    is_linear = is_linear or (len(inputs) > 2 and inputs[2][1] == right[:1] != right[1:])
    return ((kind, (*left[:-1], right[0] if is_linear else right[-1])),)
