"""A model exported as a graph, and what runtimes make of it."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from ipfs_accelerate.errors import ParityError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from ipfs_accelerate.bench.sweep.trial import Built
    from ipfs_accelerate.hardware import Device
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes import Session

__all__ = ["Graph", "Parity", "compare"]

#: Ten times what conversions are held to (`models.conversion`): rounding grows with the largest
#: terms of a sum, each runtime fuses in its own order, and random weights do not damp it. A graph
#: that computes something else is off by orders of magnitude more.
_ABSOLUTE, _RELATIVE = 5e-4, 1e-3


@dataclass(frozen=True, slots=True)
class Parity:
    """The worst output.

    Attributes:
        is_ok: Whether all outputs are within the tolerance.
        largest: Its largest absolute difference.
        allowed: What was allowed at that place.
        text: One line about it.
    """

    is_ok: bool
    largest: float
    allowed: float
    text: str


@dataclass(frozen=True, slots=True)
class Graph:
    """An exported model.

    Attributes:
        artifact: With the graph as its one component.
        inputs: What it was run with, by name.
        expected: Outputs of PyTorch by name.
        random: Outputs that are not compared.
        facts: Of the model.
    """

    artifact: ModelArtifact
    inputs: Mapping[str, Any]
    expected: Mapping[str, np.ndarray]
    random: frozenset[str]
    facts: dict[str, Any]

    @classmethod
    def export(cls, built: Built, folder: Path) -> Self:
        """Write the graph for the shapes of its inputs."""
        from transformers.exporters.configs import OnnxConfig
        from transformers.exporters.exporter_onnx import OnnxExporter

        exporter = OnnxExporter()
        with contextlib.redirect_stdout(io.StringIO()):
            exported = exporter.export(built.model, dict(built.inputs), config=OnnxConfig())
        path = folder / "model.onnx"
        exporter.save_program(exported.program, path)
        artifact = _artifact(path, built)
        return cls(artifact, built.inputs, built.outputs, built.random, built.facts)

    def load(self, target: str) -> Session:
        """Load it, or raise as the runtime does."""
        from ipfs_accelerate.runtimes import LoadOptions, load

        return load(self.artifact, target, devices=_devices(), options=LoadOptions(threads=1))

    def feed(self, session: Session) -> dict[str, np.ndarray]:
        """The inputs that are left in the graph."""
        from transformers.exporters.utils import onnx_feed

        names = [spec.name for spec in session.info.inputs]
        found: dict[str, np.ndarray] = onnx_feed(names, dict(self.inputs))
        return found

    def compare(self, outputs: Mapping[str, np.ndarray]) -> Parity:
        """Every output that is not random with PyTorch's."""
        return compare(outputs, self.expected, self.random)


@cache
def _devices() -> Sequence[Device]:
    from ipfs_accelerate.hardware.cpu import find_cpu
    from ipfs_accelerate.hardware.system import System

    return [find_cpu(System.local())]


def _artifact(path: Path, built: Built) -> ModelArtifact:
    from ipfs_accelerate.models import Family, Modality, ModelArtifact, ModelRef, Provenance
    from ipfs_accelerate.models.conversion.graph import read_component

    config = built.model.config
    return ModelArtifact(
        ref=ModelRef.parse(path.parent),
        directory=path.parent,
        files=(),
        formats=frozenset({"onnx"}),
        task=None,
        family=Family.OTHER,
        modality=Modality.OTHER,
        model_type=config.model_type,
        architecture=type(built.model).__name__,
        parameters=built.facts["parameters"],
        weights="random(seed=0)",
        config={},
        components={"model": read_component(path, name="model")},
        provenance=Provenance("random_weights"),
    )


def compare(
    found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], random: frozenset[str]
) -> Parity:
    """The output that is furthest beyond what is allowed, relative to that.

    Raises:
        ParityError: There is nothing to compare, or shapes differ.
    """
    pairs = _pairs(found, expected, random)
    worst = max((_difference(name, a, b) for name, a, b in pairs), key=lambda d: d[0])
    excess, largest, allowed, name = worst
    text = f"output {name!r} differs by {largest:.3g} where {allowed:.3g} is allowed"
    return Parity(excess <= 1.0, largest, allowed, text)


def _pairs(
    found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], random: frozenset[str]
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Outputs by name; by order where the graph names them otherwise."""
    plain = {name.removeprefix("output."): value for name, value in found.items()}
    if not plain.keys() >= expected.keys():
        if len(found) != len(expected):
            raise ParityError(f"{len(found)} outputs instead of {len(expected)}")
        plain = dict(zip(expected, found.values(), strict=True))
    names = [n for n, value in expected.items() if n not in random and value.size]
    if not names:
        raise ParityError("every output is random, none can be compared")
    return [(name, plain[name], expected[name]) for name in names]


def _difference(name: str, a: np.ndarray, b: np.ndarray) -> tuple[float, float, float, str]:
    import numpy as np

    if a.shape != b.shape:
        raise ParityError(f"output {name!r} has the shape {a.shape} instead of {b.shape}")
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        difference = np.where(x == y, 0.0, np.abs(x - y))
        magnitude = np.abs(np.where(np.isfinite(y), y, 0.0))
    difference = np.where(np.isnan(difference), np.inf, difference)
    scale = max(1.0, float(magnitude.max()))
    allowed = _ABSOLUTE * scale + _RELATIVE * magnitude
    place = int(np.argmax(difference / allowed))
    largest, limit = (
        float(difference.flat[place]),
        float(np.broadcast_to(allowed, x.shape).flat[place]),
    )
    return largest / limit, largest, limit, name
