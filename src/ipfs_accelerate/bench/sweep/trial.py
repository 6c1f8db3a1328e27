"""One configuration class tried on its targets: what runs inside the forked process."""

from __future__ import annotations

import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.bench.sweep.classes import ConfigClass, subject_of
from ipfs_accelerate.bench.sweep.inputs import InputsNotFoundError, describe, find_inputs
from ipfs_accelerate.bench.sweep.reasons import reason_of
from ipfs_accelerate.bench.sweep.shrink import LEVELS, shrunk
from ipfs_accelerate.errors import ParityError
from ipfs_accelerate.store import Verdict
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

    from ipfs_accelerate.bench.sweep.shrink import Level

__all__ = ["NO_MODEL", "TORCH", "Built", "Outcome", "try_class"]

TORCH = "torch/cpu/fp32"
#: The stage of what is no model: it counts neither as tried nor as a class that could be.
NO_MODEL = "no model"
#: Larger ones would spend the time of many classes; they get a verdict where a smaller level runs.
LARGEST_PARAMETERS = 300_000_000

_ATTEMPTS = 40


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial on one target found; JSON-serialisable."""

    target: str
    verdict: str
    elapsed_ns: int
    stage: str | None = None
    error_class: str | None = None
    first_line: str | None = None
    largest_error: float | None = None
    allowed_error: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Built:
    """A model that ran.

    Attributes:
        model: Ready to run.
        inputs: With which it ran.
        outputs: Leaf tensors by name.
        random: Names of outputs that differ between two runs with different seeds.
        facts: Level, inputs, parameters.
    """

    model: Any
    inputs: dict[str, Any]
    outputs: dict[str, np.ndarray]
    random: frozenset[str]
    facts: dict[str, Any]


class StageError(Exception):
    """A stage failed for the cause; the message names the stage."""


def try_class(
    found: ConfigClass, targets: Sequence[str], emit: Callable[[dict[str, object]], None]
) -> None:
    """Try a class on targets; every stage and every outcome is emitted as it happens.

    Args:
        found: The class.
        targets: ``torch/cpu/fp32`` first, where wanted.
        emit: Takes ``{"stage": …, "target": …}``, ``{"outcome": …}`` and ``{"model": …}``, with
            ``"is_part"`` where the class describes a part of it.
    """
    clock = MonotonicClock()
    warnings.simplefilter("ignore")
    started_ns = clock.now_ns()
    emit({"stage": "instantiate", "target": TORCH})
    try:
        subject = subject_of(found)
        if subject is None:
            emit({"outcome": asdict(_no_model(clock.now_ns() - started_ns))})
            return
        config_class, model_class = subject.config_class, subject.model_class
        name, kind = model_class.__name__, config_class.model_type
        emit({"model": name, "model_type": kind, "is_part": subject.is_part})
        built = _build(config_class, model_class, emit)
    except Exception as error:  # noqa: BLE001 (a model may raise anything)
        outcome = _failed(TORCH, error, clock.now_ns() - started_ns)
        emit({"outcome": asdict(outcome)})
        return
    works = Outcome(TORCH, Verdict.WORKS, clock.now_ns() - started_ns, facts=built.facts)
    emit({"outcome": asdict(works)})
    graphs = [t for t in targets if t != TORCH]
    if graphs:
        _try_graphs(built, graphs, emit)


def _build(config_class: Any, model_class: Any, emit: Callable[[dict[str, object]], None]) -> Built:  # noqa: ANN401
    """The model at the first level at which it runs; the error is that of the furthest stage."""
    furthest: StageError | None = None
    for level in LEVELS:
        try:
            return _build_at(level, config_class, model_class, emit)
        except StageError as error:
            is_further = furthest is None or str(error) == "forward" != str(furthest)
            furthest = error if is_further else furthest
            if error.__cause__ is not None and reason_of(error.__cause__).is_missing:
                break
    assert furthest is not None
    if str(furthest) == "instantiate":
        _require_buildable(config_class, model_class)
    raise furthest


def _require_buildable(config_class: Any, model_class: Any) -> None:  # noqa: ANN401
    """Not even the untouched default configuration builds: that is no fault of the rules here."""
    import torch

    with _stage("configure"), torch.device("meta"):
        model_class(config_class())


def _build_at(
    level: Level,
    config_class: Any,  # noqa: ANN401
    model_class: Any,  # noqa: ANN401
    emit: Callable[[dict[str, object]], None],
) -> Built:
    emit({"stage": "instantiate", "target": TORCH})
    with _stage("instantiate"):
        model, parameters = _instantiate(model_class, shrunk(config_class, level))
    emit({"stage": "forward", "target": TORCH})
    with _stage("forward"):
        inputs, outputs = find_inputs(
            model,
            lambda given: _run(model, given, seed=0),
            most_attempts=_ATTEMPTS if level in LEVELS[:2] else _ATTEMPTS // 4,
        )
        other = _run(model, inputs, seed=1)
        _require_finite(outputs)
    facts = {"level": level.name, "inputs": describe(inputs), "parameters": parameters}
    return Built(model, inputs, outputs, _differing(outputs, other), facts)


@contextmanager
def _stage(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise StageError(name) from error


def _instantiate(model_class: Any, config: Any) -> tuple[Any, int]:  # noqa: ANN401
    import torch

    with torch.device("meta"):
        parameters = sum(p.numel() for p in model_class(config).parameters())
    if parameters > LARGEST_PARAMETERS:
        raise MemoryError(
            f"{parameters / 1e6:,.0f} M parameters where the rules for tiny models do not apply"
        )
    torch.manual_seed(0)
    model = model_class(config).eval()
    if hasattr(model.config, "use_cache"):
        model.config.use_cache = False
    return model, parameters


def _run(model: Any, inputs: dict[str, Any], *, seed: int) -> dict[str, np.ndarray]:  # noqa: ANN401
    import torch
    from transformers.exporters.utils import get_leaf_tensors

    torch.manual_seed(seed)
    with torch.no_grad():
        outputs = get_leaf_tensors(model(**inputs))
    if not outputs:
        raise ValueError("the model returned no tensor")
    return {name: _array(tensor) for name, tensor in outputs.items()}


def _array(tensor: Any) -> np.ndarray:  # noqa: ANN401
    import torch

    plain = tensor.float() if tensor.dtype in {torch.bfloat16, torch.float16} else tensor
    found: np.ndarray = plain.detach().numpy()
    return found


def _require_finite(outputs: dict[str, np.ndarray]) -> None:
    """Masked scores may be infinite; an output without a single finite value is broken."""
    import numpy as np

    for name, value in outputs.items():
        if value.dtype.kind == "f" and value.size and np.isnan(value).any():
            raise ParityError(f"output {name!r} has values that are not numbers")


def _differing(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> frozenset[str]:
    import numpy as np

    return frozenset(
        name
        for name, value in one.items()
        if name not in other
        or value.shape != other[name].shape
        or not np.allclose(value, other[name], rtol=1e-4, atol=1e-5, equal_nan=True)
    )


def _try_graphs(
    built: Built, targets: Sequence[str], emit: Callable[[dict[str, object]], None]
) -> None:
    from ipfs_accelerate.bench.sweep.graphs import Graph

    clock = MonotonicClock()
    started_ns = clock.now_ns()
    emit({"stage": "export", "target": "*"})
    with tempfile.TemporaryDirectory(prefix="ipfs-accelerate-sweep-") as folder:
        try:
            with _stage("export"):
                graph = Graph.export(built, Path(folder))
        except StageError as error:
            for target in targets:
                emit({"outcome": asdict(_failed(target, error, clock.now_ns() - started_ns))})
            return
        for target in targets:
            started_ns = clock.now_ns()
            try:
                outcome = _try_graph(graph, target, emit, clock)
            except Exception as error:  # noqa: BLE001 (a runtime may raise anything)
                outcome = _failed(target, error, clock.now_ns() - started_ns)
            emit({"outcome": asdict(outcome)})


def _try_graph(
    graph: Any,  # noqa: ANN401 (a Graph: torch stays unloaded here)
    target: str,
    emit: Callable[[dict[str, object]], None],
    clock: MonotonicClock,
) -> Outcome:
    started_ns = clock.now_ns()
    emit({"stage": "load", "target": target})
    with _stage("load"):
        session = graph.load(target)
    emit({"stage": "run", "target": target})
    with session:
        with _stage("run"):
            outputs = session.run(graph.feed(session))
        emit({"stage": "parity", "target": target})
        with _stage("parity"):
            found = graph.compare(outputs)
    verdict = Verdict.CONVERTED if found.is_ok else Verdict.WRONG_NUMERICS
    return Outcome(
        target,
        verdict,
        clock.now_ns() - started_ns,
        stage=None if found.is_ok else "parity",
        error_class=None if found.is_ok else "ParityError",
        first_line=None if found.is_ok else found.text,
        largest_error=found.largest,
        allowed_error=found.allowed,
        facts=graph.facts,
    )


def _no_model(elapsed_ns: int) -> Outcome:
    return Outcome(
        TORCH,
        Verdict.UNAVAILABLE,
        elapsed_ns,
        stage=NO_MODEL,
        error_class="LookupError",
        first_line="transformers has no model with a forward pass for this configuration",
    )


def _failed(target: str, error: BaseException, elapsed_ns: int) -> Outcome:
    stage = str(error) if isinstance(error, StageError) else "instantiate"
    cause = error.__cause__ if isinstance(error, StageError) and error.__cause__ else error
    reason = reason_of(cause)
    is_search = isinstance(cause, InputsNotFoundError)
    verdict = Verdict.UNAVAILABLE if reason.is_missing else Verdict.ERROR
    return Outcome(
        target,
        verdict,
        elapsed_ns,
        stage="inputs" if is_search and reason.error_class == "InputsNotFoundError" else stage,
        error_class=reason.error_class,
        first_line=reason.first_line,
    )
