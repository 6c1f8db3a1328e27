"""Parts add up to the whole, whatever disturbed it, and verdicts carry their numbers."""

import dataclasses

import numpy as np
import pytest

from ipfs_accelerate.bench.profiling import find_bottleneck
from ipfs_accelerate.bench.profiling.profile import operators_of, typical_runs
from ipfs_accelerate.bench.roofline import MachinePeaks
from ipfs_accelerate.hardware import Precision
from ipfs_accelerate.runtimes import OpTiming

PEAKS = MachinePeaks("cpu", 2, {Precision.FP32: 100e9}, {2**20: 20e9, 2**28: 10e9})


def row(op_type, samples_ns, shapes=((8, 8), (8, 8), (8, 8)), **rest):
    *inputs, output = [("float32", shape) for shape in shapes]
    operator = OpTiming(
        op_type, op_type, "cpu", tuple(samples_ns), inputs=tuple(inputs), outputs=(output,), **rest
    )
    return dataclasses.asdict(operator)


def profiled(rows, run_ns, peaks=PEAKS):
    return operators_of(rows, run_ns, precision="fp32", peaks=peaks, why_no_peaks="not asked")


def test_parts_add_up_although_some_runs_were_disturbed():
    rng = np.random.default_rng(5)
    parts = rng.integers(50_000, 60_000, size=(6, 40))
    parts[rng.integers(0, 6, 8), rng.integers(0, 40, 8)] += 20_000_000
    rest = rng.integers(1_000, 2_000, size=40)
    run_ns = [int(v) for v in parts.sum(axis=0) + rest]
    operators = profiled([row(f"Add{n}", map(int, part)) for n, part in enumerate(parts)], run_ns)
    typical = typical_runs(run_ns)
    whole = np.asarray(run_ns)[typical].mean()
    assert sum(op.share for op in operators) + rest[typical].mean() / whole == pytest.approx(1.0)
    assert max(op.share for op in operators) < 0.25


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_few_runs_are_all_typical_or_lose_their_ends(count):
    chosen = typical_runs(list(range(1, count + 1)))
    assert len(chosen) == count - 2 * (count // 4)


def test_a_large_product_is_compute_bound_and_an_addition_memory_bound():
    product = row("MatMul", [3_000_000], ((512, 512), (512, 512), (512, 512)))
    addition = row("Add", [3_000_000], ((1024, 1024), (1024, 1024), (1024, 1024)))
    found = profiled([product, addition], [6_000_000])
    assert [op.roof.bound for op in found if op.roof] == ["compute", "memory"]
    assert found[0].roof is not None
    assert found[0].roof.fraction == pytest.approx(2 * 512**3 / 100e9 / 3e-3)


def test_without_peaks_there_is_a_reason_and_no_verdict():
    found = profiled([row("MatMul", [3_000_000])], [3_000_000], peaks=None)
    assert found[0].roof is None
    assert found[0].why_no_roof == "not asked"
    assert find_bottleneck(found, unattributed_share=0.0).verdict is None


@pytest.mark.parametrize(
    ("rows", "unattributed", "verdict"),
    [
        ([row("Transpose", [900_000], ((8, 8), (8, 8)))], 0.1, "copy-bound"),
        ([row("Add", [900, 900])], 0.1, "dispatch-bound"),
        ([row("MatMul", [900_000], ((512, 512), (512, 512), (512, 512)))], 0.1, "compute-bound"),
        ([row("Add", [900_000], ((512, 512), (512, 512), (512, 512)))], 0.1, "memory-bound"),
        ([row("Add", [900_000], ((512, 512), (512, 512), (512, 512)))], 9.0, "overhead-bound"),
    ],
)
def test_the_largest_share_names_the_bottleneck(rows, unattributed, verdict):
    runs = [sum(r["samples_ns"]) for r in rows for _ in r["samples_ns"]]
    found = find_bottleneck(profiled(rows, runs), unattributed_share=unattributed)
    assert found.verdict == verdict
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert "%" in found.reason
