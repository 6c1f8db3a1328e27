"""Arithmetic and bytes of one run of an ONNX graph, counted from shapes."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.models._onnx_shapes import GraphShapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

__all__ = ["NodeWork", "Work", "count_nodes", "count_work"]


@dataclass(frozen=True, slots=True)
class Work:
    """What one run has to compute and to move at least.

    Attributes:
        flops: Multiplications and additions, each counted as one; integer ones included.
        weight_bytes: Weights of the graph, each read once.
        activation_bytes: Results of all operators, each written once; shape arithmetic left out.
        by_op: Operator type → its share of ``flops``.
        unknown_ops: Operator type → nodes whose work could not be told; ``flops`` and
            ``activation_bytes`` are lower bounds unless this is empty.
    """

    flops: int
    weight_bytes: int
    activation_bytes: int
    by_op: Mapping[str, int] = field(default_factory=dict)
    unknown_ops: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether every operator was counted."""
        return not self.unknown_ops

    @property
    def flops_per_weight_byte(self) -> float | None:
        """Arithmetic intensity towards the weights; ``None`` without weights."""
        return self.flops / self.weight_bytes if self.weight_bytes else None


@dataclass(frozen=True, slots=True)
class NodeWork:
    """One node of a graph.

    Attributes:
        flops: As in `count_work`; ``None`` when it could not be told.
        inputs: Type and shape of its inputs, weights included; ``None`` when one is unknown.
        outputs: Likewise.
        tensors: Names of its outputs.
    """

    flops: int | None
    inputs: tuple[tuple[str, tuple[int, ...]], ...] | None
    outputs: tuple[tuple[str, tuple[int, ...]], ...] | None
    tensors: tuple[str, ...]


def count_nodes(
    onnx_path: Path, input_shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, NodeWork]:
    """Work of each node by its name, counted as by `count_work`; nodes without a name left out.

    Raises:
        InputError: An input is missing or unknown, or its shape does not fit the graph.
        ModelFormatError: The file is not an ONNX model.
    """
    shapes = GraphShapes(onnx_path, input_shapes)
    return {
        node.name: NodeWork(
            0 if shapes.is_shape_arithmetic(node) else _flops(node, shapes),
            _described(node.input, shapes),
            _described(node.output, shapes),
            tuple(node.output),
        )
        for node in shapes.nodes
        if node.name
    }


def _described(
    names: Iterable[str], shapes: GraphShapes
) -> tuple[tuple[str, tuple[int, ...]], ...] | None:
    found = [(shapes.dtype(name), shapes.shape(name)) for name in names if name]
    known = tuple((kind, shape) for kind, shape in found if kind is not None and shape is not None)
    return known if len(known) == len(found) else None


def count_work(onnx_path: Path, input_shapes: Mapping[str, tuple[int, ...]]) -> Work:
    """Count the work of one run.

    A product of m×k and k×n matrices is 2·m·n·k, a convolution 2·outputs·(channels in/groups)·
    kernel, attention 2·queries·keys·(width of keys + width of values) per head and row with
    masked places counted. Element-wise operators count one per result, softmax five (maximum,
    difference, exponential, sum, quotient), layer normalisation seven, RMS normalisation four.

    Source: Golub and Van Loan, Matrix Computations (4th ed.), section 1.1.11 (products); Vaswani
        et al., Attention Is All You Need, section 3.2.1; the operators' specification at
        https://onnx.ai/onnx/operators/

    Args:
        onnx_path: The graph; external weights are not read.
        input_shapes: Shape of every input.

    Raises:
        InputError: An input is missing or unknown, or its shape does not fit the graph.
        ModelFormatError: The file is not an ONNX model.
    """
    shapes = GraphShapes(onnx_path, input_shapes)
    by_op: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    activation_bytes = 0
    for node in shapes.nodes:
        if node.op_type == "Constant" or shapes.is_shape_arithmetic(node):
            continue
        flops = _flops(node, shapes)
        if flops is None:
            unknown[node.op_type] += 1
            continue
        by_op[node.op_type] += flops
        activation_bytes += sum(shapes.size_bytes(name) or 0 for name in node.output if name)
    return Work(
        flops=sum(by_op.values()),
        weight_bytes=shapes.weights_bytes,
        activation_bytes=activation_bytes,
        by_op={op: count for op, count in by_op.most_common() if count},
        unknown_ops=dict(unknown),
    )


def _flops(node: Any, shapes: GraphShapes) -> int | None:  # noqa: ANN401 (protobuf)
    outputs = [shapes.shape(name) for name in node.output if name]
    if not outputs or outputs[0] is None:
        return None
    size = math.prod(outputs[0])
    if node.op_type in _FREE:
        return 0
    if node.op_type in _PER_ELEMENT:
        return _PER_ELEMENT[node.op_type] * size
    if node.op_type in _PER_INPUT_ELEMENT:
        first = shapes.shape(node.input[0])
        return None if first is None else math.prod(first)
    rule = _RULES.get(node.op_type)
    return rule(node, shapes, size) if rule else None


def _product(node: Any, shapes: GraphShapes, size: int) -> int | None:  # noqa: ANN401
    left = shapes.shape(node.input[0])
    return None if left is None else 2 * size * left[-1]


def _gemm(node: Any, shapes: GraphShapes, size: int) -> int | None:  # noqa: ANN401
    left = shapes.shape(node.input[0])
    if left is None:
        return None
    inner = left[0] if shapes.attribute(node, "transA", 0) else left[1]
    bias = size if len(node.input) > 2 and node.input[2] else 0
    return 2 * size * inner + bias


def _packed_product(node: Any, shapes: GraphShapes, size: int) -> int | None:  # noqa: ANN401
    inner = shapes.attribute(node, "K", None)
    return None if inner is None else 2 * size * inner


def _convolution(weight: int, bias: int | None) -> Callable[[Any, GraphShapes, int], int | None]:
    def count(node: Any, shapes: GraphShapes, size: int) -> int | None:  # noqa: ANN401
        kernel = shapes.shape(node.input[weight])  # outputs, channels in / groups, kernel…
        if kernel is None:
            return None
        has_bias = bias is not None and len(node.input) > bias and node.input[bias]
        return 2 * size * math.prod(kernel[1:]) + (size if has_bias else 0)

    return count


def _transposed_convolution(node: Any, shapes: GraphShapes, size: int) -> int | None:  # noqa: ANN401
    image, kernel = shapes.shape(node.input[0]), shapes.shape(node.input[1])
    if image is None or kernel is None:
        return None
    bias = size if len(node.input) > 2 and node.input[2] else 0
    return 2 * math.prod(image) * math.prod(kernel[1:]) + bias


def _attention(node: Any, shapes: GraphShapes, size: int) -> int | None:  # noqa: ANN401, ARG001
    query, key, value = (shapes.shape(name) for name in node.input[:3])
    if query is None or key is None or value is None:
        return None
    heads = shapes.attribute(node, "q_num_heads", None) if len(query) == 3 else query[1]
    kv_heads = shapes.attribute(node, "kv_num_heads", None) if len(key) == 3 else key[1]
    if not heads or not kv_heads:
        return None
    past = shapes.shape(node.input[4]) if len(node.input) > 4 and node.input[4] else (0, 0, 0, 0)
    if past is None:
        return None
    keys = key[-2] + past[2]
    width = (_head_width(key, kv_heads), _head_width(value, kv_heads))
    pairs = int(query[0] * heads * query[-2] * keys)
    return 2 * pairs * sum(width) + _PER_ELEMENT["Softmax"] * pairs


def _head_width(shape: tuple[int, ...], heads: int) -> int:
    return shape[-1] // heads if len(shape) == 3 else shape[-1]


_RULES: dict[str, Callable[[Any, GraphShapes, int], int | None]] = {
    "MatMul": _product,
    "FusedMatMul": _product,
    "MatMulInteger": _product,
    "QLinearMatMul": _product,
    "DynamicQuantizeMatMul": _product,
    "MatMulIntegerToFloat": _product,
    "MatMulNBits": _packed_product,
    "Gemm": _gemm,
    "QGemm": _gemm,
    "Conv": _convolution(1, 2),
    "ConvInteger": _convolution(1, None),
    "QLinearConv": _convolution(3, 8),
    "ConvTranspose": _transposed_convolution,
    "Attention": _attention,
}
_PER_ELEMENT: dict[str, int] = {
    **dict.fromkeys(
        [
            "Abs",
            "Add",
            "And",
            "BiasGelu",
            "BitShift",
            "Ceil",
            "Celu",
            "Clip",
            "Cos",
            "Div",
            "Elu",
            "Equal",
            "Erf",
            "Exp",
            "FastGelu",
            "Floor",
            "Gelu",
            "Greater",
            "GreaterOrEqual",
            "HardSigmoid",
            "HardSwish",
            "IsNaN",
            "LeakyRelu",
            "Less",
            "LessOrEqual",
            "Log",
            "Max",
            "Mean",
            "Min",
            "Mish",
            "Mod",
            "Mul",
            "Neg",
            "Not",
            "Or",
            "PRelu",
            "Pow",
            "QuickGelu",
            "Reciprocal",
            "Relu",
            "Round",
            "Selu",
            "Sigmoid",
            "Sign",
            "Sin",
            "Softplus",
            "Softsign",
            "Sqrt",
            "Sub",
            "Sum",
            "Swish",
            "Tanh",
            "ThresholdedRelu",
            "Where",
            "Xor",
            "QuantizeLinear",
            "DequantizeLinear",
        ],
        1,
    ),
    "DynamicQuantizeLinear": 3,
    "Softmax": 5,
    "LogSoftmax": 5,
    "LayerNormalization": 7,
    "SkipLayerNormalization": 8,
    "BatchNormalization": 2,
    "InstanceNormalization": 7,
    "GroupNormalization": 7,
    "RMSNormalization": 4,
    "SimplifiedLayerNormalization": 4,
    "SkipSimplifiedLayerNormalization": 5,
    "LpNormalization": 3,
    "RotaryEmbedding": 3,
    "CumSum": 1,
    "Resize": 1,
}
_PER_INPUT_ELEMENT = frozenset(
    [
        "ArgMax",
        "ArgMin",
        "AveragePool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "MaxPool",
        "ReduceL1",
        "ReduceL2",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
        "TopK",
    ]
)
_FREE = frozenset(
    [
        "Cast",
        "CastLike",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "DepthToSpace",
        "Dropout",
        "Expand",
        "EyeLike",
        "Flatten",
        "Gather",
        "GatherBlockQuantized",
        "GatherElements",
        "GatherND",
        "Identity",
        "NonZero",
        "OneHot",
        "Pad",
        "Range",
        "Reshape",
        "ScatterElements",
        "ScatterND",
        "Shape",
        "Size",
        "Slice",
        "SpaceToDepth",
        "Split",
        "Squeeze",
        "Tile",
        "Transpose",
        "Trilu",
        "Unsqueeze",
    ]
)
