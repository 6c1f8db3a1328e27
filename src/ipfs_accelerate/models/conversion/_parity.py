"""Compares an exported model with PyTorch, output by output."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ipfs_accelerate.errors import ParityError
from ipfs_accelerate.models.conversion._cases import Arrays, iter_cases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ipfs_accelerate.models.artifact import TensorSpec
    from ipfs_accelerate.models.conversion.recipes import ComponentRecipe, Tolerance
    from ipfs_accelerate.models.conversion.source import SourceModel

__all__ = ["Differences", "OnnxGraph", "check_component"]

_INDEX = re.compile(r"\.\d+\.")
_TINY = 1e-6


class OnnxGraph:
    """An ONNX file in ONNX Runtime on the CPU, in float32, for reference only."""

    def __init__(self, path: Path) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Outputs by name."""
        outputs = [np.asarray(value) for value in self._session.run(None, dict(inputs))]
        return dict(zip(self._names, outputs, strict=True))


@dataclass(slots=True)
class _Worst:
    max_abs: float = 0.0
    max_rel: float = 0.0
    cosine: float = 1.0
    excess: float = 0.0
    case: str = ""


@dataclass(slots=True)
class Differences:
    """Worst differences per output over all cases; outputs of layers are put together.

    Attributes:
        tolerance: What is allowed.
        cases: Names of the cases compared.
    """

    tolerance: Tolerance
    cases: list[str] = field(default_factory=list)
    _worst: dict[str, _Worst] = field(default_factory=dict)

    def add(self, case: str, name: str, found: np.ndarray, expected: np.ndarray) -> None:
        """Compare one output of one case; elements that count are compared, shapes must match."""
        worst = self._worst.setdefault(_INDEX.sub(".*.", name), _Worst())
        if found.shape != expected.shape or not np.isfinite(found).all():
            reason = "shape" if found.shape != expected.shape else "non-finite values"
            raise ParityError(
                f"output {name!r} differs in {reason} on {case!r}: "
                f"{found.shape} instead of {expected.shape}",
                details={"output": name, "case": case},
            )
        if not expected.size:
            return
        a, b = found.astype(np.float64).ravel(), expected.astype(np.float64).ravel()
        difference, magnitude = np.abs(a - b), np.abs(b)
        scale = max(1.0, float(magnitude.max()))
        allowed = self.tolerance.absolute * scale + self.tolerance.relative * magnitude
        excess = float((difference / allowed).max())
        worst.max_abs = max(worst.max_abs, float(difference.max()))
        worst.max_rel = max(worst.max_rel, float((difference / np.maximum(magnitude, _TINY)).max()))
        worst.cosine = min(worst.cosine, _cosine(a, b))
        if excess >= worst.excess:
            worst.excess, worst.case = excess, case

    def report(self) -> dict[str, object]:
        """One entry per output, JSON-serialisable.

        Raises:
            ParityError: An output is beyond the tolerance.
        """
        rows = {name: self._row(worst) for name, worst in self._worst.items()}
        failed = {name: row for name, row in rows.items() if not row["passed"]}
        if failed:
            name, row = next(iter(failed.items()))
            raise ParityError(
                f"output {name!r} differs from PyTorch by {row['max_abs']:.3g}"
                f" on {row['worst_case']!r}",
                hint="the conversion was not kept; run the model on the torch runtime",
                details={"outputs": rows},
            )
        return {"outputs": rows, "cases": list(dict.fromkeys(self.cases))}

    def _row(self, worst: _Worst) -> dict[str, object]:
        return {
            "max_abs": worst.max_abs,
            "max_rel": worst.max_rel,
            "cosine": worst.cosine,
            "tolerance": {
                "absolute": self.tolerance.absolute,
                "relative": self.tolerance.relative,
            },
            "worst_case": worst.case,
            "passed": worst.excess <= 1.0,
        }


def check_component(
    source: SourceModel, recipe: ComponentRecipe, path: Path, differences: Differences
) -> None:
    """Compare one component on every case."""
    inputs, outputs = source.ports(recipe)
    module, graph = source.module(recipe), OnnxGraph(path)
    for case, arrays in iter_cases(inputs, source.config.to_dict()):
        expected = run_torch(module, outputs, list(arrays.values()))
        found = graph.run(arrays)
        differences.cases.append(f"{recipe.name}: {case}")
        for spec in outputs:
            counted = _counted(spec, arrays)
            a, b = _keep(found[spec.name], counted), _keep(expected[spec.name], counted)
            differences.add(case, f"{recipe.name}/{spec.name}", a, b)


def run_torch(
    module: Any,  # noqa: ANN401 (a torch module)
    outputs: Sequence[TensorSpec],
    arrays: list[np.ndarray],
) -> Arrays:
    """Outputs of a flat module by name."""
    with torch.no_grad():
        results = module(*(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays))
    return {spec.name: r.numpy() for spec, r in zip(outputs, results, strict=True)}


def _counted(spec: TensorSpec, arrays: Arrays) -> tuple[int, np.ndarray] | None:
    """Axis and mask of positions that count; what stands at padding is not defined."""
    for axis, dim in enumerate(spec.shape):
        mask = arrays.get("attention_mask")
        if mask is None or dim not in {"sequence", "total_sequence", "encoder_sequence"}:
            continue
        length = arrays["input_ids"].shape[1] if dim == "sequence" else mask.shape[1]
        return axis, mask[:, mask.shape[1] - length :] > 0
    return None


def _keep(array: np.ndarray, counted: tuple[int, np.ndarray] | None) -> np.ndarray:
    if counted is None:
        return array
    axis, mask = counted
    moved = np.moveaxis(array, axis, 1)
    return moved[mask] if moved.shape[:2] == mask.shape else array


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    if norms == 0.0:
        return 1.0 if not np.any(a) and not np.any(b) else 0.0
    return min(1.0, float(a @ b) / norms)
