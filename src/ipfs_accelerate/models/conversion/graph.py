"""What an ONNX file says about itself: inputs, outputs and operators, without its weights."""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import ModelFormatError
from ipfs_accelerate.models.artifact import COMPONENT_STEMS, Component, TensorSpec

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["count_operators", "find_components", "node_layers", "read_component"]


def read_component(path: Path, *, name: str) -> Component:
    """A component with the specs its file states; weights are not read.

    Raises:
        ModelFormatError: The file is not an ONNX model.
    """
    graph = _load(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = tuple(_spec(v) for v in graph.input if v.name not in weights)
    return Component(name, path, inputs, tuple(_spec(v) for v in graph.output))


def find_components(directory: Path) -> dict[str, Component]:
    """Components of ONNX files that already lie in a directory (or its ``onnx`` folder).

    Files named as published layouts name them; a single file of any name is the ``model``.
    """
    found: dict[str, Path] = {}
    files = sorted(p for d in (directory, directory / "onnx") for p in d.glob("*.onnx"))
    for stem, name in COMPONENT_STEMS.items():
        for path in files:
            if path.stem == stem:
                found.setdefault(name, path)
    if not found and len(files) == 1:
        found["model"] = files[0]
    return {name: read_component(path, name=name) for name, path in found.items()}


def count_operators(path: Path) -> dict[str, int]:
    """Operator type → count of nodes of the main graph."""
    return dict(Counter(node.op_type for node in _load(path).graph.node).most_common())


def node_layers(path: Path) -> dict[str, str]:
    """Name of a node or of a tensor → the module of the model that computes it.

    Read from what PyTorch's exporters write: scopes as metadata, or names that are paths.
    """
    found: dict[str, str] = {}
    for node in _load(path).graph.node:
        layer = _layer(node)
        if layer:
            found |= dict.fromkeys((node.name, *node.output), layer)
    found.pop("", None)
    return found


def _layer(node: Any) -> str | None:  # noqa: ANN401
    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            scopes = ast.literal_eval(entry.value)
            return str(scopes[-2]) if len(scopes) > 1 else None
    folder = str(node.name).rpartition("/")[0].strip("/")
    return folder.replace("/", ".") or None


def _load(path: Path) -> Any:  # noqa: ANN401 (protobuf)
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path), load_external_data=False)
    except (OSError, DecodeError) as error:
        raise ModelFormatError(f"{path} is not a readable ONNX model: {error}") from error
    if not model.graph.output:
        raise ModelFormatError(f"{path} is not an ONNX model: its graph has no outputs")
    return model


def _spec(value: Any) -> TensorSpec:  # noqa: ANN401
    import onnx

    tensor = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    dims = (
        d.dim_value if d.HasField("dim_value") else d.dim_param or f"{value.name}_{axis}"
        for axis, d in enumerate(tensor.shape.dim)
    )
    return TensorSpec(value.name, dtype, tuple(dims))
