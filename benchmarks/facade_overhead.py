"""What the facade costs over the bare runtime call: `python benchmarks/facade_overhead.py`.

One ONNX graph, the same tensors, one native session, three ways to call it, in one process and in
an order drawn anew every round: the native ONNX Runtime session, `LoadedModel.run`,
`Accelerator.run`. Two answers are printed: the difference of whole calls (what a user sees, with
the noise of the model's own run), and the time each call spends outside the native run (exact).
With ``--null`` the runtime does nothing and only our own layers are left.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np

from ipfs_accelerate.bench.intervals import median_interval
from ipfs_accelerate.inference import Accelerator, LoadedModel
from ipfs_accelerate.models.inputs import inputs_from_specs

GOAL_US, GOAL_SHARE = 50.0, 0.01
LOADED, FACADE = "LoadedModel.run", "Accelerator.run"
Calls = dict[str, Callable[[], object]]


class Stopwatch:
    """Stands in for a native session and notes how long its last run took."""

    def __init__(self, native: object) -> None:
        self._native = native
        self.elapsed_ns = 0

    def run(self, *arguments: object) -> object:
        """See `InferenceSession.run`."""
        start = time.perf_counter_ns()
        outputs = self._native.run(*arguments)
        self.elapsed_ns = time.perf_counter_ns() - start
        return outputs


def interleave(
    calls: Calls, rounds: int, inner: Callable[[], int]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Whole time and time outside the native run, ns per call and round."""
    rng = np.random.default_rng(0)
    whole = {name: np.zeros(rounds, dtype=np.int64) for name in calls}
    outside = {name: np.zeros(rounds, dtype=np.int64) for name in calls}
    names = list(calls)
    for turn in range(-max(3, rounds // 20), rounds):
        for index in rng.permutation(len(names)):
            name = names[index]
            start = time.perf_counter_ns()
            calls[name]()
            elapsed = time.perf_counter_ns() - start
            if turn >= 0:
                whole[name][turn] = elapsed
                outside[name][turn] = elapsed - inner()
    return whole, outside


def interval_us(values: np.ndarray) -> tuple[float, float, float]:
    """Low end, median, high end; the method wants no negative samples, so they are shifted."""
    shift = min(0, int(values.min()))
    found = median_interval(values - shift)
    return tuple((x + shift) / 1e3 for x in (found.low, found.median, found.high))


def show(whole: dict[str, np.ndarray], outside: dict[str, np.ndarray]) -> float:
    """Print the table; returns the median cost of the facade in us."""
    bare_name, bare = next(iter(whole.items()))
    base_us = float(np.median(bare)) / 1e3
    print(f"{'call':<18}{'median us':>11}{'whole call, difference us':>32}{'ratio':>9}", end="")
    print(f"{'outside the native run, more us':>34}")
    print(f"{bare_name:<18}{base_us:>11.2f}")
    cost_us = 0.0
    for name in list(whole)[1:]:
        low, middle, high = interval_us(whole[name] - bare)
        exact = interval_us(outside[name] - outside[bare_name])
        cost_us = exact[1]
        ratio = float(np.median(whole[name])) / 1e3 / base_us
        print(
            f"{name:<18}{np.median(whole[name]) / 1e3:>11.2f}"
            f"{f'{middle:+.2f} [{low:+.2f}, {high:+.2f}]':>32}{ratio:>9.4f}"
            f"{f'{exact[1]:+.2f} [{exact[0]:+.2f}, {exact[2]:+.2f}]':>34}"
        )
    return cost_us


def real(given: argparse.Namespace) -> int:
    with (
        Accelerator(targets=[given.target]) as accelerator,
        accelerator.load(given.model) as loaded,
    ):
        session = loaded.sessions["model"]
        watch = Stopwatch(session._native)  # noqa: SLF001 (the bare call to compare with)
        session._native = watch  # noqa: SLF001
        inputs = inputs_from_specs(
            session.info.inputs,
            loaded.artifact.config,
            sizes={"batch": 1, "sequence": given.sequence},
            rng=np.random.default_rng(0),
        )
        names = [spec.name for spec in session.info.outputs]
        calls: Calls = {
            "native run": lambda: watch.run(names, inputs),
            "Session.run": lambda: session.run(inputs),
            LOADED: lambda: loaded.run(inputs),
            FACADE: lambda: accelerator.run(given.model, inputs),
        }
        print(f"{given.model} on {given.target}, batch 1, sequence {given.sequence}")
        whole, outside = interleave(calls, given.rounds, lambda: watch.elapsed_ns)
    cost_us = show(whole, outside)
    share = cost_us * 1e3 / float(np.median(whole["native run"]))
    met = cost_us <= GOAL_US and share <= GOAL_SHARE
    print(f"the facade adds {cost_us:.2f} us, {share:.3%} of the native run: ", end="")
    print(f"goal of {GOAL_US:.0f} us and {GOAL_SHARE:.0%} {'met' if met else 'NOT met'}")
    return 0 if met else 1


def null(rounds: int) -> int:
    from ipfs_accelerate.hardware import detect
    from ipfs_accelerate.testing import NullRuntime, installed, null_device
    from ipfs_accelerate.testing.conformance.models import onnx_artifact

    with tempfile.TemporaryDirectory() as folder, installed(NullRuntime(), null_device()):
        detect(refresh=True)
        path = onnx_artifact(Path(folder)).directory / "projection.onnx"
        with Accelerator(targets=["null/null/fp32"]) as accelerator:
            loaded: LoadedModel = accelerator.load(path)
            session = loaded.sessions["model"]
            inputs = {"hidden": np.zeros((1, 1, 64), np.float32), "scale": np.ones(1, np.float32)}
            calls: Calls = {
                "null session.run": lambda: session.run(inputs),
                LOADED: lambda: loaded.run(inputs),
                FACADE: lambda: accelerator.run(path, inputs),
            }
            cost_us = show(*interleave(calls, rounds, lambda: 0))
            loaded.close()
    print(f"the facade adds {cost_us:.2f} us: {'met' if cost_us <= GOAL_US else 'NOT met'}")
    return 0 if cost_us <= GOAL_US else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="random://bert?size=base&seed=0")
    parser.add_argument("--target", default="onnxruntime/cpu/fp32")
    parser.add_argument("--sequence", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--null", action="store_true", help="a runtime that does nothing")
    given = parser.parse_args()
    return null(max(given.rounds, 2000)) if given.null else real(given)


if __name__ == "__main__":
    sys.exit(main())
