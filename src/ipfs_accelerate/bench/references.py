"""Outputs that others are compared with, computed once per model and workload and kept on disk."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate import __version__
from ipfs_accelerate.bench.measure import CaseRun, Reference
from ipfs_accelerate.errors import AccelerateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.bench.case import BenchCase
    from ipfs_accelerate.bench.measure import RunOptions
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["REFERENCE_TARGETS", "References"]

#: In order of preference: the implementation a model was published with, then graph runtimes.
REFERENCE_TARGETS = ("torch/cpu/fp32", "onnxruntime/cpu/fp32", "openvino/cpu/fp32")

_TORCH_FORMATS = {"safetensors", "pytorch_bin"}


class References:
    """Finds or computes reference outputs, each in a process of its own.

    Args:
        options: Seed, input, limits and settings; the same inputs are used for reference and case.
        is_usable: Whether a target is usable on this machine.
        model: The model of a case.
        is_cancelled: Asked while it works.
    """

    def __init__(
        self,
        options: RunOptions,
        *,
        is_usable: Callable[[str], bool],
        model: Callable[[BenchCase], ModelArtifact],
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._options = options
        self._is_usable = is_usable
        self._model = model
        self._is_cancelled = is_cancelled
        self._known: dict[tuple[str, str], Reference] = {}

    def of(self, case: BenchCase) -> Reference:
        """The reference of a case's workload, computed now when it is not on disk."""
        key = (case.model, case.name)
        if key not in self._known:
            self._known[key] = self._find(case)
        return self._known[key]

    def _find(self, case: BenchCase) -> Reference:
        why = f"none of {', '.join(REFERENCE_TARGETS)} is usable here"
        for target in REFERENCE_TARGETS:
            if target.startswith("torch/") and not self._model(case).formats & _TORCH_FORMATS:
                continue
            if not self._is_usable(target):
                continue
            path = self._path(case, target)
            facts = path.with_suffix(".json")
            if not (path.is_file() and facts.is_file()):
                try:
                    self._compute(dataclasses.replace(case, target=target), path, facts)
                except AccelerateError as error:
                    why = f"no reference from {target}: {error.message}"
                    continue
            return Reference(path, target, **json.loads(facts.read_text(encoding="utf-8")))
        return Reference(None, why, why_no_work=why)

    def _compute(self, case: BenchCase, path: Path, facts: Path) -> None:
        """In a process of its own, which may also convert the model, without a memory limit."""
        limits = dataclasses.replace(self._options.limits, memory_bytes=None)
        options = dataclasses.replace(self._options, limits=limits)
        run = CaseRun(case, options, is_cancelled=self._is_cancelled)
        try:
            counted = run.keep_outputs(path)
        finally:
            run.close()
        facts.write_text(json.dumps(counted), encoding="utf-8")

    def _path(self, case: BenchCase, target: str) -> Path:
        text = self._options.input_file
        made_from = [
            self._model(case).identity,
            case.name,
            target,
            self._options.seed,
            hashlib.sha256(Path(text).read_bytes()).hexdigest() if text else None,
            __version__,
            _version(target.partition("/")[0]),
        ]
        key = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:32]
        return self._options.settings.home / "references" / f"{key}.npz"


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
