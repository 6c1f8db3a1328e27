"""An ONNX graph under construction, written beside the values that its rival is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

MICROSOFT = "com.microsoft"
_TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int32): TensorProto.INT32}


class Graph:
    """Nodes, inputs and weights; every weight and input is also a tensor of the safetensors file."""

    def __init__(self, name: str, *, seed: int = 0) -> None:
        self.name = name
        self._random = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._tensors: dict[str, np.ndarray] = {}
        self._names = 0
        self._more: list[str] = []

    def normal(self, *shape: int, deviation: float = 1.0, mean: float = 0.0) -> np.ndarray:
        return (mean + deviation * self._random.standard_normal(shape)).astype(np.float32)

    def integers(self, low: int, high: int, *shape: int) -> np.ndarray:
        return self._random.integers(low, high, shape, dtype=np.int32)

    def input(self, name: str, value: np.ndarray) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, _TYPES[value.dtype], value.shape))
        self._tensors[name] = value
        return name

    def weight(self, name: str, value: np.ndarray, own: np.ndarray | None = None) -> str:
        """``own`` is the same in the form of our packed tensors."""
        self._weights.append(numpy_helper.from_array(value, name))
        self._tensors[name] = value if own is None else own
        return name

    def own(self, name: str, value: np.ndarray) -> None:
        """A tensor that only our side needs."""
        self._tensors[name] = value

    def hidden(self, value: np.ndarray) -> str:
        """A constant that only ONNX needs."""
        self._names += 1
        name = f"constant{self._names}"
        self._weights.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes) -> str:
        """The name of its first output; later ones end in ``.1``, ``.2``."""
        self._names += 1
        name = f"{op}{self._names}"
        names = [name if i == 0 else f"{name}.{i}" for i in range(outputs)]
        self._nodes.append(
            helper.make_node(op, list(inputs), names, name=name, domain=domain, **attributes)
        )
        return name

    def result(self, name: str) -> None:
        """A further output, that nothing compares."""
        self._more.append(name)

    def save(self, folder: Path, output: str) -> None:
        """Writes the model, and with its values the answer of ONNX Runtime on the CPU.

        A name with a dot is another form of the same model: it has the values of the one before the dot.
        """
        results = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (output, *self._more)
        ]
        graph = helper.make_graph(self._nodes, self.name, self._inputs, results, self._weights)
        imports = [helper.make_opsetid("", 21), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=10)
        data = model.SerializeToString()
        (folder / f"{self.name}.onnx").write_bytes(data)
        if "." in self.name:
            return
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        feeds = {value.name: self._tensors[value.name] for value in self._inputs}
        weights = {name: value for name, value in self._tensors.items() if name not in feeds}
        inputs = {f"input:{name}": value for name, value in feeds.items()}
        expected = {"expected": session.run([output], feeds)[0]}
        save_file(weights | inputs | expected, folder / f"{self.name}.safetensors")
