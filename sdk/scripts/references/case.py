"""One reference, and how it lies on disk."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel


@dataclass(frozen=True)
class Reference:
    """A model with its inputs and PyTorch's answers.

    ``settings`` says what the runner of the family must know beside the inputs; ``files`` are texts such as
    ``tokenizer.json``. Weights that are a path are linked, not copied.
    """

    name: str
    family: str
    config: Mapping[str, object]
    weights: Mapping[str, torch.Tensor] | Path
    inputs: Mapping[str, torch.Tensor]
    expected: Mapping[str, torch.Tensor]
    settings: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def seeded(model: torch.nn.Module, *, seed: int = 0, deviation: float = 0.2) -> torch.nn.Module:
    """Fills every parameter from a seed, wide enough that no layer is close to the identity."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        centre = 1.0 if parameter.ndim == 1 and name.endswith("weight") else 0.0
        parameter.data.normal_(centre, deviation, generator=generator)
    return model.eval()


def checkpoint(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The weights under the names of a published checkpoint, which are not those of the modules."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_file(Path(folder) / "model.safetensors")


def write(reference: Reference, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    values = {f"input.{name}": value for name, value in reference.inputs.items()}
    values |= {f"expected.{name}": value for name, value in reference.expected.items()}
    save_file({name: plain(value) for name, value in values.items()}, folder / "values.safetensors")
    write_weights(reference.weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(dict(reference.config)))
    for name, text in reference.files.items():
        (folder / name).write_text(text)
    about = {
        "family": reference.family,
        "settings": dict(reference.settings),
        "files": list(reference.files),
    }
    (folder / "reference.json").write_text(json.dumps({"name": reference.name, **about}))


def write_weights(weights: Mapping[str, torch.Tensor] | Path, file: Path) -> None:
    if isinstance(weights, Path):
        file.symlink_to(weights)
        return
    # Tied tensors are written once, as save_pretrained does.
    distinct = {value.data_ptr(): name for name, value in reversed(list(weights.items()))}
    save_file({name: weights[name].contiguous() for name in distinct.values()}, file)


def plain(value: torch.Tensor) -> torch.Tensor:
    """Floats as float32, everything else as int32."""
    return value.to(torch.float32 if value.is_floating_point() else torch.int32).contiguous()
