"""Outputs that others are compared with, computed once per model and workload and kept on disk."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate import __version__
from ipfs_accelerate.bench.measure import CaseRun
from ipfs_accelerate.errors import AccelerateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ipfs_accelerate.bench.case import BenchCase
    from ipfs_accelerate.bench.measure import RunOptions

__all__ = ["REFERENCE_TARGETS", "References"]

#: In order of preference: the implementation a model was published with, then graph runtimes.
REFERENCE_TARGETS = ("torch/cpu/fp32", "onnxruntime/cpu/fp32", "openvino/cpu/fp32")


class References:
    """Finds or computes reference outputs, each in a process of its own.

    Args:
        options: Seed, input, limits and settings; the same inputs are used for reference and case.
        usable: Targets usable on this machine.
        identity: Identity of a case's model.
        is_cancelled: Asked while it works.
    """

    def __init__(
        self,
        options: RunOptions,
        usable: Sequence[str],
        *,
        identity: Callable[[BenchCase], str],
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._options = options
        self._candidates = [t for t in REFERENCE_TARGETS if t in usable]
        self._identity = identity
        self._is_cancelled = is_cancelled
        self._known: dict[tuple[str, str], tuple[Path | None, str]] = {}

    def outputs_for(self, case: BenchCase) -> tuple[Path | None, str]:
        """File with the outputs and the target they come from, or ``None`` and why."""
        key = (case.model, case.name)
        if key not in self._known:
            self._known[key] = self._find(case)
        return self._known[key]

    def _find(self, case: BenchCase) -> tuple[Path | None, str]:
        why = f"none of {', '.join(REFERENCE_TARGETS)} is usable here"
        for target in self._candidates:
            path = self._path(case, target)
            if path.is_file():
                return path, target
            run = CaseRun(
                dataclasses.replace(case, target=target),
                self._options,
                is_cancelled=self._is_cancelled,
            )
            try:
                run.keep_outputs(path)
            except AccelerateError as error:
                why = f"no reference from {target}: {error.message}"
                continue
            finally:
                run.close()
            return path, target
        return None, why

    def _path(self, case: BenchCase, target: str) -> Path:
        text = self._options.input_file
        made_from = [
            self._identity(case),
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
