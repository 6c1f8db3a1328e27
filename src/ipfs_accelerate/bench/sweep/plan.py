"""What a sweep has to do: which classes on which targets, given what the ledger knows already."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.sweep.classes import config_classes, select
from ipfs_accelerate.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ipfs_accelerate.bench.sweep.classes import ConfigClass
    from ipfs_accelerate.store import StoredVerdict

__all__ = ["RULES", "RUNTIMES", "SweepRequest", "Trial", "plan_sweep", "versions_of"]

#: Runtime → libraries whose version a verdict depends on.
RUNTIMES: dict[str, tuple[str, ...]] = {
    "torch": ("transformers", "torch"),
    "onnxruntime": ("transformers", "torch", "onnxscript", "onnxruntime"),
    "openvino": ("transformers", "torch", "onnxscript", "openvino"),
}


#: Beside the libraries: what the sweep itself does.
RULES = "sweep rules"
_RULE_MODULES = ("classes", "shrink", "inputs", "repairs", "reasons", "trial")


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What to try.

    Attributes:
        only: Folders (``bert``) or classes (``BertConfig``); empty for all.
        runtimes: Of `RUNTIMES`.
        sample: So many of them, drawn; ``None`` for all.
        seed: Of the draw.
        retry_failed: Also those that did not work before.
        retry_stale: Also those found with other libraries or by other rules of the sweep.
        budget_ns: No trial begins after that; ``None`` for no limit.
        timeout_ns: Of one class.
        memory_bytes: Of one class.
        command_line: For the record.
    """

    only: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = tuple(RUNTIMES)
    sample: int | None = None
    seed: int = 0
    retry_failed: bool = False
    retry_stale: bool = False
    budget_ns: int | None = None
    timeout_ns: int = 120 * 10**9
    memory_bytes: int = 6 * 2**30
    command_line: str | None = None

    def __post_init__(self) -> None:
        for name in self.runtimes:
            if name not in RUNTIMES:
                raise UnknownNameError(name, RUNTIMES)
        limits = (self.timeout_ns, self.memory_bytes, self.sample, self.budget_ns)
        if any(limit is not None and limit <= 0 for limit in limits):
            raise InputError(f"limits must be positive: {self}", hint="e.g. --budget 5m")


@dataclass(frozen=True, slots=True)
class Trial:
    """One class and the targets to try it on."""

    config_class: ConfigClass
    targets: tuple[str, ...]


def plan_sweep(
    request: SweepRequest,
    known: Iterable[StoredVerdict],
    classes: Sequence[ConfigClass] | None = None,
) -> list[Trial]:
    """Trials in order: PyTorch for every class first, so that each has a verdict early.

    Graphs are tried where PyTorch works or has not been tried: what does not run cannot be
    converted.

    Raises:
        UnknownNameError: A class is unknown.
    """
    chosen = _sampled(
        select(config_classes() if classes is None else classes, request.only), request
    )
    wanted = [f"{name}/cpu/fp32" for name in request.runtimes]
    verdicts = {(v.config_class, v.target): v for v in known if v.config_class}
    trials = []
    for only_torch in (True, False):
        for found in chosen:
            targets = tuple(
                target
                for target in wanted
                if target.startswith("torch/") is only_torch
                and _is_due(verdicts.get((found.name, target)), target, request)
            )
            if targets:
                trials.append(Trial(found, targets))
    return trials


def _sampled(classes: list[ConfigClass], request: SweepRequest) -> list[ConfigClass]:
    import numpy as np

    if request.sample is None or request.sample >= len(classes):
        return classes
    rng = np.random.default_rng(request.seed)
    places = sorted(rng.choice(len(classes), size=request.sample, replace=False))
    return [classes[place] for place in places]


def _is_due(stored: StoredVerdict | None, target: str, request: SweepRequest) -> bool:
    if stored is None:
        return True
    failed = request.retry_failed and not stored.verdict.is_good
    return failed or (request.retry_stale and _is_stale(stored.versions, target))


def _is_stale(versions: Mapping[str, str], target: str) -> bool:
    return dict(versions) != versions_of(target)


def versions_of(target: str) -> dict[str, str]:
    """Versions of what a verdict on the target depends on: libraries and the sweep's rules."""
    runtime = target.partition("/")[0]
    found = {name: _version(name) for name in RUNTIMES[runtime]}
    found[RULES] = _rules_digest(
        _RULE_MODULES if runtime == "torch" else (*_RULE_MODULES, "graphs")
    )
    return {name: value for name, value in found.items() if value}


@cache
def _rules_digest(modules: tuple[str, ...]) -> str:
    """Of what the modules do: comments and docstrings may change."""
    folder = Path(__file__).parent
    trees = (ast.parse((folder / f"{name}.py").read_text(encoding="utf-8")) for name in modules)
    text = "".join(ast.dump(_without_docstrings(tree)) for tree in trees)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    return tree


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
