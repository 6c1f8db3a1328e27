"""Small models made on the spot, with known outputs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.models import (
    Component,
    Family,
    ManifestFile,
    Modality,
    ModelArtifact,
    ModelRef,
    Provenance,
    Scheme,
    TensorSpec,
)

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import ModelProto

__all__ = ["PROJECTION_SHAPES", "null_artifact", "onnx_artifact", "reference_outputs"]

#: Features in, hidden and out of the model of `onnx_artifact`.
PROJECTION_SHAPES = (64, 128, 32)


def null_artifact(directory: Path, *, name: str = "null-model") -> ModelArtifact:
    """An artifact without files, for the null runtime."""
    return _artifact(directory, name, files=(), components={}, formats=frozenset())


def onnx_artifact(directory: Path, *, name: str = "projection", seed: int = 0) -> ModelArtifact:
    """A two-layer projection with seeded random weights as a real ONNX file.

    ``hidden`` ``float32[batch, sequence, 64]`` and ``scale`` ``float32[1]`` in;
    ``output`` ``float32[batch, sequence, 32]`` and ``pooled`` ``float32[batch, 32]`` out.

    Args:
        directory: Where the file is written.
        name: Stem of the file.
        seed: Of the weights.
    """
    import onnx

    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.onnx"
    onnx.save(_projection(seed), path)
    data = path.read_bytes()
    width, _, out = PROJECTION_SHAPES
    component = Component(
        name="model",
        path=path,
        inputs=(
            TensorSpec("hidden", "float32", ("batch", "sequence", width)),
            TensorSpec("scale", "float32", (1,)),
        ),
        outputs=(
            TensorSpec("output", "float32", ("batch", "sequence", out)),
            TensorSpec("pooled", "float32", ("batch", out)),
        ),
    )
    file = ManifestFile(path.name, len(data), hashlib.sha256(data).hexdigest())
    return _artifact(
        directory,
        name,
        files=(file,),
        components={"model": component},
        formats=frozenset({"onnx"}),
    )


def reference_outputs(inputs: dict[str, np.ndarray], *, seed: int = 0) -> dict[str, np.ndarray]:
    """What `onnx_artifact` computes, in fp64 arithmetic, rounded to fp32 at the end."""
    w1, b1, w2 = (w.astype(np.float64) for w in _weights(seed))
    hidden = inputs["hidden"].astype(np.float64)
    active = np.maximum(hidden @ w1 + b1, 0.0)
    output = (active @ w2) * inputs["scale"].astype(np.float64)
    return {
        "output": output.astype(np.float32),
        "pooled": output.mean(axis=1).astype(np.float32),
    }


def _weights(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    width, hidden, out = PROJECTION_SHAPES
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((width, hidden), dtype=np.float32) / np.float32(8.0),
        rng.standard_normal(hidden, dtype=np.float32),
        rng.standard_normal((hidden, out), dtype=np.float32) / np.float32(11.3),
    )


def _projection(seed: int) -> ModelProto:
    from onnx import TensorProto, helper, numpy_helper

    width, _, out = PROJECTION_SHAPES
    nodes = [
        helper.make_node("MatMul", ["hidden", "w1"], ["projected"], name="first"),
        helper.make_node("Add", ["projected", "b1"], ["biased"], name="bias"),
        helper.make_node("Relu", ["biased"], ["active"], name="relu"),
        helper.make_node("MatMul", ["active", "w2"], ["raw"], name="second"),
        helper.make_node("Mul", ["raw", "scale"], ["output"], name="scaling"),
        helper.make_node("ReduceMean", ["output", "axes"], ["pooled"], name="pool", keepdims=0),
    ]
    tensors = [
        numpy_helper.from_array(w, n)
        for n, w in zip(("w1", "b1", "w2"), _weights(seed), strict=True)
    ]
    tensors.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "projection",
        [
            value("hidden", TensorProto.FLOAT, ["batch", "sequence", width]),
            value("scale", TensorProto.FLOAT, [1]),
        ],
        [
            value("output", TensorProto.FLOAT, ["batch", "sequence", out]),
            value("pooled", TensorProto.FLOAT, ["batch", out]),
        ],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _artifact(
    directory: Path,
    name: str,
    *,
    files: tuple[ManifestFile, ...],
    components: dict[str, Component],
    formats: frozenset[str],
) -> ModelArtifact:
    return ModelArtifact(
        ref=ModelRef(Scheme.DIRECTORY, str(directory / name)),
        directory=directory,
        files=files,
        formats=formats,
        task=None,
        family=Family.OTHER,
        modality=Modality.OTHER,
        model_type=None,
        architecture=None,
        parameters=None,
        weights="random(seed=0)",
        config={},
        components=components,
        provenance=Provenance(kind="local"),
    )
