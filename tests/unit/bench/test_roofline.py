"""The gate stops the impossible, passes the possible, and says when it cannot tell."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ipfs_accelerate.bench import _peak_kernels as kernels
from ipfs_accelerate.bench.roofline import MachinePeaks, check, measure_peaks
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.hardware import Precision

MILLISECOND = 10**6
PEAKS = MachinePeaks(
    cpu="a processor",
    threads=2,
    operations_per_s={Precision.FP32: 1e11, Precision.INT8: 4e11},
    bytes_per_s={2**20: 1e11, 2**26: 1e10},
    unmeasured={Precision.BF16: "a processor does not multiply bf16 natively"},
)


def test_a_possible_latency_passes_with_its_bound():
    verdict = check(
        10**9, 10**6, latency_ns=20 * MILLISECOND, precision=Precision.FP32, peaks=PEAKS
    )
    assert verdict.ok
    assert (verdict.bound, verdict.fraction_of_peak) == ("compute", pytest.approx(0.5))


def test_faster_than_the_arithmetic_allows_is_flagged():
    verdict = check(10**9, 0, latency_ns=5 * MILLISECOND, precision=Precision.FP32, peaks=PEAKS)
    assert verdict.verdict == "above_roofline"
    assert "2.00 of the measured compute peak" in verdict.reason


def test_faster_than_memory_allows_is_flagged():
    verdict = check(10, 10**9, latency_ns=50 * MILLISECOND, precision=Precision.INT8, peaks=PEAKS)
    assert (verdict.verdict, verdict.bound) == ("above_roofline", "memory")


def test_what_fits_a_cache_is_held_against_the_cache():
    within = check(10, 2**21, latency_ns=50_000, precision=Precision.FP32, peaks=PEAKS)
    assert within.ok


def test_the_uncertainty_of_the_peak_is_granted():
    limits = {"latency_ns": 9 * MILLISECOND, "precision": Precision.FP32}
    assert check(10**9, 0, peaks=PEAKS, **limits).ok
    assert not check(10**9, 0, peaks=PEAKS, tolerance=0.05, **limits).ok


def test_an_unmeasured_precision_is_unchecked_with_the_reason():
    verdict = check(10**9, 0, latency_ns=1, precision=Precision.BF16, peaks=PEAKS)
    assert (verdict.verdict, verdict.ok, verdict.fraction_of_peak) == ("unchecked", False, None)
    assert "bf16" in verdict.reason
    assert not check(1, 0, latency_ns=1, precision=Precision.FP8, peaks=PEAKS).ok


def test_narrow_weights_are_held_against_what_they_are_widened_to():
    limits = {"latency_ns": 5 * MILLISECOND, "precision": Precision.INT4}
    assert check(10**9, 0, peaks=PEAKS, **limits).ok


def test_peaks_of_a_busy_machine_accuse_nobody():
    busy = replace(PEAKS, foreign_share=0.4)
    verdict = check(10**9, 0, latency_ns=MILLISECOND, precision=Precision.FP32, peaks=busy)
    assert verdict.verdict == "unchecked"
    assert "40%" in verdict.reason


@pytest.mark.parametrize("wrong", [(-1, 0, 1), (0, -1, 1), (0, 0, 0)])
def test_nonsense_is_refused(wrong: tuple[int, int, int]):
    flops, moved, latency_ns = wrong
    with pytest.raises(InputError):
        check(flops, moved, latency_ns=latency_ns, precision=Precision.FP32, peaks=PEAKS)


def test_peaks_survive_json():
    assert MachinePeaks.from_dict(json.loads(json.dumps(PEAKS.to_dict()))) == PEAKS


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_a_product_is_really_computed(precision: Precision):
    rate, spread = kernels.fastest_product(precision, threads=1, budget_ns=50_000_000)
    assert rate > 1e8
    assert 0 <= spread < 1


def test_streams_are_timed_for_each_size():
    rates = kernels.fastest_streams(threads=2, budget_ns=20_000_000)
    assert list(rates) == sorted(rates)
    assert min(rates.values()) > 1e7


def test_kept_peaks_are_read_back_and_damaged_ones_measured_anew(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("ipfs_accelerate.bench.roofline._PRODUCT_BUDGET_NS", 10_000_000)
    monkeypatch.setattr("ipfs_accelerate.bench.roofline._STREAM_BUDGET_NS", 10_000_000)
    monkeypatch.setattr("ipfs_accelerate.bench.roofline._FOREIGN_SHARE", 2.0)  # tests run together
    first = measure_peaks(threads=1, home=tmp_path)
    (kept,) = (tmp_path / "peaks").glob("*.json")
    assert measure_peaks(threads=1, home=tmp_path) == first
    kept.write_text("{", encoding="utf-8")
    assert measure_peaks(threads=1, home=tmp_path).operations_per_s.keys() == (
        first.operations_per_s.keys()
    )
    assert json.loads(kept.read_text(encoding="utf-8"))["threads"] == 1
