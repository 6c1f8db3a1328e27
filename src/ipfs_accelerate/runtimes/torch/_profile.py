"""Times of operators from repeated runs under PyTorch's profiler."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.runtimes.protocol import OpTiming
from ipfs_accelerate.runtimes.torch._evidence import (
    duration_ns,
    operator_precision,
    outermost_operators,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["LAYER", "RUN", "named_layers", "operators_from_trace"]

RUN = "ipfs_accelerate.run"
LAYER = "ipfs_accelerate.layer:"
_TYPES = {
    "double": "float64", "float": "float32", "c10::Half": "float16", "c10::BFloat16": "bfloat16",
    "signed char": "int8", "unsigned char": "uint8", "bool": "bool", "int": "int32",
    "long int": "int64", "short int": "int16",
}  # fmt: skip


@contextmanager
def named_layers(module: Any, torch: Any) -> Iterator[None]:  # noqa: ANN401 (an untyped library)
    """Let every module without children mark its calls in the profile by its name."""
    hooks: list[Any] = []
    open_marks: list[Any] = []

    def enter(name: str) -> None:
        mark = torch.profiler.record_function(LAYER + name)
        mark.__enter__()
        open_marks.append(mark)

    for name, part in module.named_modules():
        if name and not hasattr(module, "_orig_mod"):
            hooks += [
                part.register_forward_pre_hook(lambda _m, _i, name=name: enter(name)),
                part.register_forward_hook(
                    lambda _m, _i, _o: open_marks.pop().__exit__(None, None, None),
                    always_call=True,
                ),
            ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def operators_from_trace(path: Path, device: str, *, skip: int) -> tuple[OpTiming, ...]:
    """Operators that no other operator called, in order of their first call.

    Args:
        path: A Chrome trace in which each run is marked `RUN` and each layer `LAYER`.
        device: Id of the device of the session.
        skip: Runs that only warmed up.
    """
    events = [e for e in json.loads(path.read_text())["traceEvents"] if e.get("ph") == "X"]
    notes = [e for e in events if e.get("cat") == "user_annotation"]
    runs = sorted((e for e in notes if e["name"] == RUN), key=lambda e: e["ts"])[skip:]
    layers = [e for e in notes if e["name"].startswith(LAYER)]
    kernels = [e for e in events if e.get("cat") in {"kernel", "gpu_memcpy", "gpu_memset"}]
    calls = outermost_operators([e for e in events if e.get("cat") == "cpu_op"])
    found: dict[str, list[list[_Call]]] = defaultdict(lambda: [[] for _ in runs])
    for number, run in enumerate(runs):
        within = [(op, members) for op, members in calls if _contains(run, op)]
        local = [layer for layer in layers if _contains(run, layer)]
        seen: Counter[str] = Counter()
        for operator, members in within:
            layer = _innermost(local, operator)
            name = "/".join(filter(None, (layer, operator["name"].rpartition("::")[2])))
            seen[name] += 1
            unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
            elapsed_ns = duration_ns(operator, kernels, members)
            found[unique][number].append(_Call(operator, elapsed_ns, layer, run["ts"]))
    timed = [_operator(name, per_run, device) for name, per_run in found.items()]
    return tuple(sorted(timed, key=lambda op: op.start_ns or 0))


class _Call:
    """One call of an operator."""

    def __init__(
        self, event: Mapping[str, Any], elapsed_ns: int, layer: str | None, began_us: float
    ) -> None:
        self.event = event
        self.elapsed_ns = elapsed_ns
        self.layer = layer
        self.start_ns = max(0, round((event["ts"] - began_us) * 1000))


def _contains(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> bool:
    return bool(outer["ts"] <= inner["ts"] < outer["ts"] + outer["dur"])


def _innermost(layers: Sequence[Mapping[str, Any]], operator: Mapping[str, Any]) -> str | None:
    around = [layer for layer in layers if _contains(layer, operator)]
    if not around:
        return None
    return str(min(around, key=lambda e: e["dur"])["name"]).removeprefix(LAYER)


def _operator(name: str, per_run: Sequence[Sequence[_Call]], device: str) -> OpTiming:
    last = next(calls for calls in reversed(per_run) if calls)
    facts = last[0].event.get("args", {})
    precision = operator_precision(last[0].event)
    return OpTiming(
        name=name,
        op_type=str(last[0].event["name"]).rpartition("::")[2],
        device=device,
        samples_ns=tuple(sum(call.elapsed_ns for call in calls) for calls in per_run),
        calls=len(last),
        start_ns=last[0].start_ns,
        precision=None if precision == "unknown" else precision,
        layer=last[0].layer,
        inputs=_inputs(facts),
    )


def _inputs(facts: Mapping[str, Any]) -> tuple[tuple[str, tuple[int, ...]], ...] | None:
    """Tensors among the arguments; scalars and lists are left out."""
    pairs = zip(facts.get("Input type", ()), facts.get("Input Dims", ()), strict=False)
    found = tuple((_TYPES[kind], tuple(dims)) for kind, dims in pairs if kind in _TYPES)
    return found or None
