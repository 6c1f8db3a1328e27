"""PyTorch component → ONNX file, with its names and dynamic dimensions proven."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch

from ipfs_accelerate.errors import ConversionError
from ipfs_accelerate.models.inputs import inputs_from_specs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ipfs_accelerate.models.artifact import TensorSpec
    from ipfs_accelerate.models.conversion.recipes import ComponentRecipe
    from ipfs_accelerate.models.conversion.source import SourceModel

__all__ = ["export_component"]

# All above 1 and different: a size of 0 or 1 would be frozen, equal ones could be taken for one.
_TRACE_SIZES = {
    "batch": 2,
    "image_batch": 3,
    "audio_batch": 3,
    "sequence": 7,
    "past_sequence": 5,
    "encoder_sequence": 11,
    "image_height": 64,
    "image_width": 96,
    "samples": 4000,
}
#: Protobuf cannot hold more in one file. Source: https://onnx.ai/onnx/repo-docs/ExternalData.html
_ONE_FILE_BYTES = 2**31 - 2**27


def export_component(source: SourceModel, recipe: ComponentRecipe, path: Path) -> None:
    """Write one component as ONNX.

    Raises:
        ConversionError: The exporter failed, dropped an input or froze a dimension.
    """
    inputs, outputs = source.ports(recipe)
    module = source.module(recipe)
    program = _trace(module, (inputs, outputs), source)
    weights_bytes = sum(p.numel() * p.element_size() for p in module.parameters())
    program.save(str(path), external_data=weights_bytes > _ONE_FILE_BYTES)
    _name_dimensions(path, inputs, outputs)


def _trace(
    module: torch.nn.Module,
    ports: tuple[Sequence[TensorSpec], Sequence[TensorSpec]],
    source: SourceModel,
) -> Any:  # noqa: ANN401 (an exported program)
    inputs, outputs = ports
    tensors = tuple(torch.from_numpy(array) for array in _example(tuple(inputs), source))
    dynamic = tuple(
        {n: torch.export.Dim.AUTO for n, dim in enumerate(spec.shape) if isinstance(dim, str)}
        for spec in inputs
    )
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.onnx.export(
                module,
                tensors,
                dynamic_shapes=(dynamic,),
                dynamo=True,
                opset_version=source.recipe.opset,
                input_names=[spec.name for spec in inputs],
                output_names=[spec.name for spec in outputs],
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError) as error:
        raise ConversionError(f"the ONNX exporter failed: {error}") from error


def _example(inputs: tuple[TensorSpec, ...], source: SourceModel) -> list[np.ndarray]:
    """Inputs whose first row is padded: without one, a mask may be traced as absent."""
    rng = np.random.default_rng(0)
    arrays = inputs_from_specs(inputs, source.config.to_dict(), sizes=_TRACE_SIZES, rng=rng)
    for name, array in arrays.items():
        if name.endswith("attention_mask"):
            array[0, :2] = 0
    return list(arrays.values())


def _name_dimensions(
    path: Path, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> None:
    """Give dynamic dimensions the names of the specs, and refuse what the exporter lost."""
    model = onnx.load(str(path), load_external_data=False)
    _refuse_lost_inputs(model.graph, [spec.name for spec in inputs])
    dynamic = {dim for spec in inputs for dim in spec.shape if isinstance(dim, str)}
    for spec, value in zip(inputs, model.graph.input, strict=True):
        _name_value(spec, value, required=dynamic)
    for spec, value in zip(outputs, model.graph.output, strict=True):
        _name_value(spec, value, required=dynamic)
    del model.graph.value_info[:]  # they use the exporter's own dimension names
    onnx.save(model, str(path))


def _refuse_lost_inputs(graph: Any, expected: list[str]) -> None:  # noqa: ANN401 (protobuf)
    present = [value.name for value in graph.input]
    used = {name for node in graph.node for name in node.input}
    lost = [name for name in expected if name not in used]
    if present != expected or lost:
        raise ConversionError(
            f"the exporter lost inputs: {lost or sorted(set(expected) ^ set(present))}",
            hint="the graph would ignore them silently; the family needs a recipe of its own",
            details={"expected": expected, "present": present, "unused": lost},
        )


def _name_value(spec: TensorSpec, value: Any, *, required: set[str]) -> None:  # noqa: ANN401
    dims = value.type.tensor_type.shape.dim
    if value.name != spec.name or len(dims) != len(spec.shape):
        raise ConversionError(
            f"exported {value.name!r} of rank {len(dims)} where {spec.name!r} of rank "
            f"{len(spec.shape)} was expected"
        )
    for axis, (wanted, dim) in enumerate(zip(spec.shape, dims, strict=True)):
        fixed = dim.HasField("dim_value")
        if isinstance(wanted, int):
            if not fixed or dim.dim_value != wanted:
                found = dim.dim_value if fixed else dim.dim_param
                raise ConversionError(
                    f"axis {axis} of {spec.name!r} is {found!r} instead of {wanted}"
                )
        elif not fixed:
            dim.dim_param = wanted
        elif wanted in required:
            raise ConversionError(
                f"the exporter froze {wanted!r} (axis {axis} of {spec.name!r}) to {dim.dim_value}",
                details={"output": spec.name, "dimension": wanted, "frozen_to": dim.dim_value},
            )
