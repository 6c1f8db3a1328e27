"""The ways to quantize: what each needs, and the artifact it makes."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import MissingExtraError
from ipfs_accelerate.quantize._build import quantized

if TYPE_CHECKING:
    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.quantize.calibration import Calibration

__all__ = ["Recipe", "dynamic_onnx", "half_onnx", "static_onnx", "static_openvino"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to quantize.

    Attributes:
        name: Function of `_worker`.
        version: Raised whenever the files it makes change.
        format: Format of these files.
        packages: Distributions that decide what comes out.
        smallest_cosine: Refused below this likeness to the source on any output.
    """

    name: str
    version: int
    format: str
    packages: tuple[str, ...]
    smallest_cosine: float = 0.9

    @property
    def settings(self) -> dict[str, object]:
        """What is needed to repeat it."""
        versions = {package: version(package) for package in self.packages}
        return {"recipe": self.name, "recipe_version": self.version, "tools": versions}


_DYNAMIC = Recipe("dynamic_onnx", 1, "onnx", ("onnxruntime", "onnx"))
_STATIC = Recipe("static_onnx", 1, "onnx", ("onnxruntime", "onnx"))
_HALF = Recipe("half_onnx", 1, "onnx", ("onnxruntime", "onnx"), smallest_cosine=0.99)
_OPENVINO = Recipe("static_openvino", 1, "openvino", ("openvino", "nncf"))


def dynamic_onnx(artifact: ModelArtifact, *, settings: Settings) -> ModelArtifact:
    """Integer weights, activations quantized at run time; needs no calibration.

    Raises:
        ConversionError: The quantizer failed.
        ParityError: The result computes something else than its source.
        ChildFailedError: The quantizing process died.
    """
    return quantized(artifact, _DYNAMIC, settings)


def static_onnx(
    artifact: ModelArtifact, *, settings: Settings, calibration: Calibration | None = None
) -> ModelArtifact:
    """Integer weights and activations with calibrated ranges, as quantize/dequantize nodes.

    Args:
        artifact: With ONNX graphs.
        settings: Where the cache lies.
        calibration: See `static_openvino`.

    Raises:
        ConversionError: The quantizer failed.
        ParityError: The result computes something else than its source.
        ChildFailedError: The quantizing process died.
    """
    return quantized(artifact, _STATIC, settings, calibration)


def half_onnx(artifact: ModelArtifact, *, settings: Settings) -> ModelArtifact:
    """Weights and arithmetic in fp16; inputs and outputs keep their types.

    Raises:
        ConversionError: The converter failed.
        ParityError: The result computes something else than its source.
        ChildFailedError: The converting process died.
    """
    return quantized(artifact, _HALF, settings)


def static_openvino(
    artifact: ModelArtifact, *, settings: Settings, calibration: Calibration | None = None
) -> ModelArtifact:
    """Integer weights and activations with calibrated ranges, by NNCF for OpenVINO.

    Args:
        artifact: With ONNX graphs.
        settings: Where the cache lies.
        calibration: Feeds, or a function from component to feeds; some are held out to measure
            parity. ``None`` takes real sentences where the model has a tokenizer, else seeded
            random inputs, and says so in the provenance.

    Raises:
        MissingExtraError: NNCF or OpenVINO is not installed.
        ConversionError: The quantizer failed.
        ParityError: The result computes something else than its source.
        ChildFailedError: The quantizing process died.
    """
    for module in _OPENVINO.packages:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("openvino", needed_for="int8 for OpenVINO", module=module)
    return quantized(artifact, _OPENVINO, settings, calibration)
