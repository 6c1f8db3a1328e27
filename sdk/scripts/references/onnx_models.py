"""ONNX models with onnxruntime's answers, for the tests of ``onnx/``: not models of the SDK's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET = 18


def model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: dict[str, np.ndarray],
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def linear(random: np.random.Generator, activation: str = "Relu") -> onnx.ModelProto:
    """``y = activation(x W + b)`` of a batch of any size."""
    weights = {
        "w": random.standard_normal((6, 5)).astype(np.float32),
        "b": random.standard_normal(5).astype(np.float32),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"]),
        helper.make_node(activation, ["h"], ["y"]),
    ]
    value = helper.make_tensor_value_info
    batch = [value("x", TensorProto.FLOAT, ["batch", 6])]
    return model(nodes, batch, [value("y", TensorProto.FLOAT, ["batch", 5])], weights)


def pooled(random: np.random.Generator) -> onnx.ModelProto:
    """Ids and a mask to a mean, as sentence encoders have them; outputs of four types."""
    weights = {
        "table": random.standard_normal((11, 4)).astype(np.float32),
        "axis": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["kept", "axis"], ["count"]),
        helper.make_node("Unsqueeze", ["kept", "last"], ["wide"]),
        helper.make_node("Mul", ["rows", "wide"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "axis"], ["sum"], keepdims=0),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
        helper.make_node("Cast", ["mean"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("ArgMax", ["mean"], ["best"], axis=1, keepdims=0),
        helper.make_node("Greater", ["mean", "zero"], ["positive"]),
    ]
    weights |= {"last": np.array([2], dtype=np.int64), "zero": np.array(0, dtype=np.float32)}
    value = helper.make_tensor_value_info
    shape = ["batch", "length"]
    inputs = [value(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")]
    outputs = [
        value("mean", TensorProto.FLOAT, ["batch", 4]),
        value("half", TensorProto.FLOAT16, ["batch", 4]),
        value("best", TensorProto.INT64, ["batch"]),
        value("positive", TensorProto.BOOL, ["batch", 4]),
    ]
    return model(nodes, inputs, outputs, weights)


def with_external_data(made: onnx.ModelProto, location: str) -> tuple[bytes, bytes]:
    """The model with its matrix in another file, and that file."""
    tensor = made.graph.initializer[0]
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, entry in (("location", location), ("offset", "0"), ("length", str(len(data)))):
        tensor.external_data.add(key=key, value=entry)
    return made.SerializeToString(), data


def written(name: str, made: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> dict[str, object]:
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    plain = {
        key: {"shape": value.shape, "values": value.astype(float).ravel().tolist()}
        for key, value in (
            inputs | dict(zip(names, session.run(None, inputs), strict=True))
        ).items()
    }
    return {
        "name": name,
        "inputs": {key: plain[key] for key in inputs},
        "outputs": {key: plain[key] for key in names},
    }


def write_files(folder: Path) -> None:
    random = np.random.default_rng(5)
    x = {"x": random.standard_normal((3, 6)).astype(np.float32)}
    ids = {
        "input_ids": np.array([[1, 4, 9, 0], [7, 10, 0, 0]], dtype=np.int64),
        "attention_mask": np.array([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=np.int64),
    }
    made = {"linear": linear(random), "pooled": pooled(random)}
    (folder / "unknown.onnx").write_bytes(linear(random, "Nonsense").SerializeToString())
    answers = [written("linear", made["linear"], x), written("pooled", made["pooled"], ids)]
    for name, proto in made.items():
        (folder / f"{name}.onnx").write_bytes(proto.SerializeToString())
    for name, location in (("beside", "beside.bin"), ("outside", "../beside.bin")):
        proto, data = with_external_data(
            onnx.ModelProto.FromString(made["linear"].SerializeToString()), location
        )
        (folder / f"{name}.onnx").write_bytes(proto)
        (folder / "beside.bin").write_bytes(data)
    (folder / "answers.json").write_text(json.dumps(answers))
