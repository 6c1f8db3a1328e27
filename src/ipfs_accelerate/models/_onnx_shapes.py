"""Shape of every tensor of an ONNX graph for given input shapes, node by node.

Values of small integer tensors are computed on the way, so that shapes which the graph itself
computes become known. What cannot be told stays unknown.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ipfs_accelerate.errors import InputError, ModelFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["GraphShapes", "element_bits"]

_MOST_VALUES = 4096
_SHAPE_OPS = frozenset(
    [
        "Add",
        "And",
        "Cast",
        "Ceil",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Div",
        "Equal",
        "Expand",
        "Floor",
        "Gather",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Less",
        "LessOrEqual",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "Range",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Reshape",
        "Size",
        "Slice",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
        "Where",
    ]
)
# Operators without inference here whose first output has shape and type of their first input.
_SAME_SHAPE = frozenset(
    [
        "BiasGelu",
        "FastGelu",
        "GroupNormalization",
        "QuickGelu",
        "Gelu",
        "SkipLayerNormalization",
        "SkipSimplifiedLayerNormalization",
        "SimplifiedLayerNormalization",
        "RotaryEmbedding",
    ]
)
_PRODUCTS = frozenset({"DynamicQuantizeMatMul", "FusedMatMul", "MatMulIntegerToFloat"})


def element_bits(elem_type: int) -> int:
    """Bits of one element of an ONNX tensor type, packed types as they are stored."""
    import onnx

    name: str = onnx.TensorProto.DataType.Name(elem_type)
    packed = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}
    if name in packed:
        return packed[name]
    return int(onnx.helper.tensor_dtype_to_np_dtype(elem_type).itemsize * 8)


class GraphShapes:
    """A graph with the shapes of its tensors.

    Args:
        path: The ONNX file.
        input_shapes: Shape of every input.

    Raises:
        InputError: An input is missing or unknown, or its shape does not fit the graph.
        ModelFormatError: The file is not an ONNX model.
    """

    def __init__(self, path: Path, input_shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._model = _load(path)
        self._opsets = {o.domain or "": o.version for o in self._model.opset_import}
        self._types: dict[str, Any] = {}
        self._values: dict[str, np.ndarray] = {}
        self.weights_bytes = 0
        self._add_weights()
        self._add_inputs(input_shapes)
        self.nodes: list[Any] = list(self._model.graph.node)
        for node in self.nodes:
            self._visit(node)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a tensor; ``None`` while any size of it is unknown."""
        found = self._types.get(name)
        if found is None or not found.tensor_type.HasField("shape"):
            return None
        dims = found.tensor_type.shape.dim
        return tuple(d.dim_value for d in dims) if all(map(_is_fixed, dims)) else None

    def dtype(self, name: str) -> str | None:
        """Type of a tensor's elements as NumPy spells it, packed types as ONNX does.

        ``None`` when it is not known.
        """
        import onnx

        found = self._types.get(name)
        if found is None or not found.tensor_type.elem_type:
            return None
        spelled = str(onnx.TensorProto.DataType.Name(found.tensor_type.elem_type)).lower()
        return {"float": "float32", "double": "float64"}.get(spelled, spelled)

    def size_bytes(self, name: str) -> int | None:
        """Bytes of a tensor; ``None`` while its shape is unknown."""
        shape = self.shape(name)
        if shape is None:
            return None
        return math.ceil(
            math.prod(shape) * element_bits(self._types[name].tensor_type.elem_type) / 8
        )

    def is_shape_arithmetic(self, node: Any) -> bool:  # noqa: ANN401 (protobuf)
        """Whether a node only computes sizes from sizes, nothing from data."""
        return node.op_type == "Shape" or all(name in self._values for name in node.output if name)

    def attribute(self, node: Any, name: str, default: Any) -> Any:  # noqa: ANN401
        """Value of an attribute, or ``default``."""
        import onnx

        for attribute in node.attribute:
            if attribute.name == name:
                return onnx.helper.get_attribute_value(attribute)
        return default

    def _add_weights(self) -> None:
        import onnx

        for tensor in self._model.graph.initializer:
            dims = tuple(tensor.dims)
            self._types[tensor.name] = onnx.helper.make_tensor_type_proto(tensor.data_type, dims)
            self.weights_bytes += math.ceil(math.prod(dims) * element_bits(tensor.data_type) / 8)
            is_here = tensor.data_location != onnx.TensorProto.EXTERNAL
            if is_here and math.prod(dims) <= _MOST_VALUES:
                self._keep(tensor.name, onnx.numpy_helper.to_array(tensor))

    def _add_inputs(self, input_shapes: Mapping[str, tuple[int, ...]]) -> None:
        import onnx

        inputs = {v.name: v for v in self._model.graph.input if v.name not in self._types}
        wrong = sorted(set(inputs) ^ set(input_shapes))
        if wrong:
            raise InputError(
                f"shapes do not match the graph's inputs: {', '.join(wrong)}",
                hint=f"give a shape for each of {', '.join(inputs)}",
            )
        for name, value in inputs.items():
            shape, tensor = tuple(input_shapes[name]), value.type.tensor_type
            dims = tensor.shape.dim
            fits = len(dims) == len(shape) and all(
                not _is_fixed(d) or d.dim_value == s for d, s in zip(dims, shape, strict=False)
            )
            if not fits:
                raise InputError(f"shape {shape} does not fit input {name!r}")
            self._types[name] = onnx.helper.make_tensor_type_proto(tensor.elem_type, shape)

    def _visit(self, node: Any) -> None:  # noqa: ANN401
        if node.op_type == "Shape":
            self._visit_shape(node)
        elif node.domain in {"", "ai.onnx"}:
            self._types |= self._inferred(node)
            self._evaluate(node)
            if node.op_type in _SAME_SHAPE and self.shape(node.output[0]) is None:
                self._visit_foreign(node)
        else:
            self._visit_foreign(node)

    def _visit_shape(self, node: Any) -> None:  # noqa: ANN401
        import onnx

        shape = self.shape(node.input[0])
        name = node.output[0]
        if shape is None:
            self._types |= self._inferred(node)
            return
        part = shape[self.attribute(node, "start", 0) : self.attribute(node, "end", None)]
        kind = onnx.TensorProto.INT64
        self._types[name] = onnx.helper.make_tensor_type_proto(kind, (len(part),))
        self._keep(name, np.asarray(part, dtype=np.int64))

    def _visit_foreign(self, node: Any) -> None:  # noqa: ANN401
        """Contributed operators have no schema here; the few that conversions use are known."""
        import onnx

        first = self.shape(node.input[0])
        if first is None:
            return
        if node.op_type == "MatMulNBits":
            shape = (*first[:-1], self.attribute(node, "N", 0))
        elif node.op_type in _PRODUCTS:
            second = self.shape(node.input[1])
            if second is None or self.attribute(node, "transB", 0):
                return
            shape = (*first[:-1], second[-1])
        elif node.op_type in _SAME_SHAPE:
            shape = first
        else:
            return
        is_rescaled = node.op_type == "MatMulIntegerToFloat"
        first_type = self._types[node.input[0]].tensor_type.elem_type
        kind = onnx.TensorProto.FLOAT if is_rescaled else first_type
        self._types[node.output[0]] = onnx.helper.make_tensor_type_proto(kind, shape)

    def _inferred(self, node: Any) -> dict[str, Any]:  # noqa: ANN401
        import onnx

        schema = onnx.defs.get_schema(node.op_type, self._opsets[""], "")
        types = {n: self._types[n] for n in node.input if n in self._types}
        data = {
            n: onnx.numpy_helper.from_array(self._values[n])
            for n in node.input
            if n in self._values
        }
        if len(types) < len({n for n in node.input if n}):
            return {}
        try:
            found: dict[str, Any] = onnx.shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=list(self._model.opset_import)
            )
        except (
            onnx.shape_inference.InferenceError,
            onnx.checker.ValidationError,  # an optimizer's node with types the operator has not
            RuntimeError,
            ValueError,
        ):
            return {}
        return found

    def _evaluate(self, node: Any) -> None:  # noqa: ANN401
        """Compute a node over known small integers."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        inputs = [n for n in node.input if n]
        if node.op_type not in _SHAPE_OPS or any(n not in self._values for n in inputs):
            return
        outputs = [onnx.helper.make_value_info(n, onnx.TypeProto()) for n in node.output if n]
        graph = onnx.helper.make_graph(
            [node],
            "one",
            [onnx.helper.make_value_info(n, onnx.TypeProto()) for n in inputs],
            outputs,
        )
        model = onnx.helper.make_model(graph, opset_imports=list(self._model.opset_import))
        found = ReferenceEvaluator(model).run(None, {n: self._values[n] for n in inputs})
        for name, value in zip((n for n in node.output if n), found, strict=True):
            self._keep(name, np.asarray(value))

    def _keep(self, name: str, value: np.ndarray) -> None:
        import onnx

        if value.dtype.kind not in "iub" or value.size > _MOST_VALUES:
            return
        self._values[name] = value
        kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
        self._types[name] = onnx.helper.make_tensor_type_proto(kind, value.shape)


def _is_fixed(dim: Any) -> bool:  # noqa: ANN401
    return bool(dim.HasField("dim_value"))


def _load(path: Path) -> Any:  # noqa: ANN401
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path), load_external_data=False)
    except (OSError, DecodeError) as error:
        raise ModelFormatError(f"{path} is not a readable ONNX model: {error}") from error
    if not model.graph.output:
        raise ModelFormatError(f"{path} is not an ONNX model: its graph has no outputs")
    return model
