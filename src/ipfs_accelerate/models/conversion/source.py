"""The PyTorch side of a model: its class, its weights and its flat components."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import (
    ConversionError,
    MissingExtraError,
    ModelFormatError,
    UnknownNameError,
    UnsafeModelError,
)
from ipfs_accelerate.models.conversion._shapes import resolve_ports
from ipfs_accelerate.models.conversion.recipes import ComponentRecipe, Recipe, recipe_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from ipfs_accelerate.models.artifact import ModelArtifact, TensorSpec

__all__ = ["SourceModel", "architecture_of", "require_torch", "torch_component"]

_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def require_torch(needed_for: str) -> None:
    """Check for PyTorch and `transformers` without importing them.

    Raises:
        MissingExtraError: One of them is not installed.
    """
    for module in ("torch", "transformers"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("torch", needed_for=needed_for, module=module)


def architecture_of(config: Mapping[str, object], fallback: str | None = None) -> str:
    """Class name of the model a configuration describes.

    Raises:
        ConversionError: The configuration names none.
    """
    named = config.get("architectures")
    if isinstance(named, list) and named and isinstance(named[0], str):
        return named[0]
    if fallback:
        return fallback
    raise ConversionError(
        "the configuration names no architecture",
        hint='add "architectures": ["…"] to the model\'s config.json',
    )


class SourceModel:
    """A model of `transformers` loaded from a directory, as flat components.

    Args:
        directory: Holds ``config.json`` and safetensors weights.
        dtype: ``fp32``, ``bf16`` or ``fp16`` (or PyTorch's names).
        architecture: Class name where the configuration names none.
        allow_remote_code: Let the model bring its own Python code.

    Raises:
        UnsafeModelError: There are only pickled weights.
        ModelFormatError: The weights do not fit the configuration.
    """

    def __init__(
        self,
        directory: Path,
        *,
        dtype: str,
        architecture: str | None = None,
        allow_remote_code: bool = False,
    ) -> None:
        require_torch("loading a model in PyTorch")
        config = _read_config(directory)
        name = architecture_of(config, architecture)
        self.recipe: Recipe = recipe_for(str(config.get("model_type")), name)
        self.model = _load(directory, self.recipe.auto_class, dtype, allow_remote_code)
        self.config = self.model.config

    def ports(
        self, component: ComponentRecipe
    ) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        """Inputs and outputs of a component with the sizes of this model."""
        inputs = resolve_ports(component.inputs, self.config)
        return inputs, resolve_ports(component.outputs, self.config)

    def module(self, component: ComponentRecipe) -> torch.nn.Module:
        """A component as a module of positional tensors."""
        from ipfs_accelerate.models.conversion._modules import FlatModule

        return FlatModule(self.model, component.call, *self.ports(component))

    def component(self, name: str) -> ComponentRecipe:
        """A component by name.

        Raises:
            UnknownNameError: The model has no such component.
        """
        for component in self.recipe.components:
            if component.name == name:
                return component
        raise UnknownNameError(name, [c.name for c in self.recipe.components])


def torch_component(
    artifact: ModelArtifact, component: str, *, dtype: str, allow_remote_code: bool = False
) -> tuple[torch.nn.Module, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """A component for the PyTorch runtime, with the names that its ONNX graph has.

    Returns:
        A module in evaluation mode that takes the inputs positionally in the order of the first
        specs and returns a tuple in the order of the second. Floating tensors are float32 at its
        border whatever ``dtype`` computes inside.

    Raises:
        MissingExtraError: PyTorch or transformers is not installed.
        UnknownNameError: The model has no such component.
        ConversionError: No recipe covers the model.
    """
    source = SourceModel(
        artifact.directory,
        dtype=dtype,
        architecture=artifact.architecture,
        allow_remote_code=allow_remote_code,
    )
    recipe = source.component(component)
    return source.module(recipe), *source.ports(recipe)


def _read_config(directory: Path) -> dict[str, Any]:
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFormatError(f"no readable config.json in {directory}: {error}") from error
    if not isinstance(config, dict):
        raise ModelFormatError(f"config.json in {directory} is not an object")
    return config


def _load(directory: Path, auto_class: str, dtype: str, allow_remote_code: bool) -> Any:  # noqa: ANN401, FBT001 (private)
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()  # stderr is ours
    from safetensors import SafetensorError

    if not list(directory.glob("*.safetensors")):
        raise UnsafeModelError(
            f"{directory} has no safetensors weights",
            hint="pickled weights are never loaded; convert them to safetensors first",
        )
    number_format = getattr(torch, _DTYPES.get(dtype, dtype))
    try:
        model, report = getattr(transformers, auto_class).from_pretrained(
            str(directory),
            dtype=number_format,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=allow_remote_code,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelFormatError(f"{auto_class} cannot load {directory}: {error}") from error
    _refuse_missing(report, directory)
    return model.eval().requires_grad_(False)


def _refuse_missing(report: Mapping[str, Any], directory: Path) -> None:
    """A missing tensor would be drawn at random: another model than the one asked for."""
    missing = sorted(k for k in report.get("missing_keys", ()) if "pooler" not in k)
    if missing:
        raise ModelFormatError(
            f"{directory} lacks {len(missing)} weights, first {missing[0]!r}",
            hint="the weights were saved for another head or are incomplete",
            details={"missing": missing[:20]},
        )
