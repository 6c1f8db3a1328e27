"""One operator's shift is found where the noise of the whole hides it; on replayed noise.

``operator_noise.npz`` holds the times of the operators of a small sentence encoder in ONNX
Runtime on a shared machine: medians of blocks of calls, ``(runs, operators)`` in ns, beside the
whole of each block.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ipfs_accelerate.evidence.regressions import (
    CaseKey,
    CaseSeries,
    Operator,
    Point,
    accept,
    accepted,
    find_operator_changes,
    find_regressions,
    read_events,
    read_profiles,
    store_findings,
)
from ipfs_accelerate.evidence.regressions.operators import ProfiledCase
from ipfs_accelerate.store import (
    HardwareRecord,
    ModelRecord,
    ProfileMetric,
    ProfileRecord,
    RunRecord,
)
from ipfs_accelerate.telemetry import Origin

START = datetime(2026, 1, 2, tzinfo=UTC)
MODEL = ModelRecord("org/model", "v1", "bert", "text", "hub")
HARDWARE = HardwareRecord("cpu", "cpu", "Test CPU", "Linux", "6.1", "host")
KEY = CaseKey("org/model", "host", "cpu", "Test CPU", "onnxruntime/cpu/fp32", "embedding/b1/s32")
RECORDED = np.load(Path(__file__).with_name("operator_noise.npz"))
RUNS = 48
AT = 24
NAMES = [str(name) for name in RECORDED["names"]]
KINDS = [str(kind) for kind in RECORDED["types"]]
LARGEST = int(np.argmax(np.median(RECORDED["times"], axis=0)))


def replayed(seed, *, runs=RUNS):
    """Runs of the recording in some order, as the runs of other days would come."""
    order = np.random.default_rng(seed).permutation(len(RECORDED["whole"]))[:runs]
    return RECORDED["times"][order].astype(float), RECORDED["whole"][order].astype(float)


def slower(times, whole, *, by):
    """The largest operator takes so much longer that the whole takes ``by`` longer."""
    times, whole = times.copy(), whole.copy()
    gain = by * np.median(whole)
    ratio = 1 + gain / np.median(times[:, LARGEST])
    times[AT:, LARGEST] *= ratio
    whole[AT:] += gain
    return times, whole


def case_of(times, whole):
    """The history of a case with these times, one profile a day."""

    def series(values, operator=None):
        points = tuple(
            Point(f"run-{day:03d}", START + timedelta(days=day), None, float(value), None, None, {})
            for day, value in enumerate(values)
        )
        return CaseSeries(KEY, points, {}, operator)

    single = [
        series(column, Operator(kind, name))
        for kind, name, column in zip(KINDS, NAMES, times.T, strict=True)
    ]
    sums = [
        series(times[:, [k == kind for k in KINDS]].sum(axis=1), Operator(kind))
        for kind in sorted(set(KINDS))
    ]
    return ProfiledCase(KEY, series(whole), (*single, *sums))


def test_a_shift_that_the_whole_hides_is_found_in_its_operator():
    case = case_of(*slower(*replayed(0), by=0.02))
    assert find_regressions([case.whole]).findings == ()
    (found,) = find_operator_changes([case]).findings
    assert found.finding.operator == Operator(KINDS[LARGEST], NAMES[LARGEST])
    assert found.effect == pytest.approx(0.02, rel=0.5)
    assert not found.is_seen_in_whole
    assert abs(int(found.finding.first.run_id[-3:]) - AT) <= 5
    assert found.finding.severity == "minor", "by what it does to the whole"


def test_a_case_without_change_stays_silent_whatever_the_number_of_its_operators():
    reports = [find_operator_changes([case_of(*replayed(seed))]) for seed in range(1, 13)]
    assert all(report.series >= 12 for report in reports)
    assert [report.findings for report in reports] == [()] * 12


def test_a_type_that_changed_as_a_whole_is_one_finding():
    times, whole = replayed(3)
    times[AT:, [kind == "MatMul" for kind in KINDS]] *= 3
    (found,) = find_operator_changes([case_of(times, whole)]).findings
    assert found.finding.operator.op_type == "MatMul"
    assert found.operators >= 30
    assert found.effect == pytest.approx(2 * found.share, rel=0.1), "three times as long"


@pytest.fixture
def profiles(history):
    """Writes one profile a day."""

    def write(levels, *, origin=Origin.MEASURED, unit="ns"):
        rng, ledger = np.random.default_rng(0), history([])
        noise = rng.lognormal(0, 0.01, (len(levels), 3))
        runs = [
            RunRecord(
                f"profile-{day:03d}", "bench profile", "profiling", START + timedelta(days=day),
                git_commit="aaaa" if day < 12 else "bbbb", metadata={"cores": 2},
            )
            for day in range(len(levels))
        ]  # fmt: skip
        ledger.record_runs(runs)
        for run, level, row in zip(runs, levels, noise, strict=True):
            operators = [
                {
                    "name": f"node_{n}", "op_type": "MatMul", "kind": "matmul", "calls": 1,
                    "time_ns": 1e6, "p50_ns": float(1e6 * (level if n else 1) * row[n]),
                    "low_ns": 1e6, "high_ns": 1e6, "share": 0.1,
                }
                for n in range(2)
            ]  # fmt: skip
            metrics = [ProfileMetric("plain_p50_ns", float(2e7 * row[2]), unit)]
            ledger.record_profile(
                ProfileRecord(
                    run.run_id, MODEL, HARDWARE, KEY.target, KEY.test_case, run.started_at,
                    operators, metrics=metrics, origin=origin,
                    origin_reason=None if origin is Origin.MEASURED else "made up",
                )
            )  # fmt: skip
        return ledger

    return write


def test_stored_profiles_become_series_and_a_finding_is_told_with_its_operator(profiles):
    ledger = profiles([1.0] * 12 + [1.3] * 8)
    (found,) = find_operator_changes(read_profiles(ledger)).findings
    assert found.finding.operator.text == "MatMul node_1"
    assert found.finding.change.ratio == pytest.approx(1.3, rel=0.03)
    assert found.effect == pytest.approx(0.015, rel=0.1)
    assert found.share == pytest.approx(0.05, rel=0.1)
    causes = [(c.kind, c.before, c.after) for c in found.finding.causes]
    assert causes == [("commit", "aaaa", "bbbb")]
    assert store_findings(ledger, [found.finding]) == 1
    accept(ledger, found.finding.finding_id[:6], "new kernel")
    assert accepted(ledger) == {found.finding.finding_id: "new kernel"}
    made, taken = read_events(ledger)
    assert (made.kind, taken.kind) == ("found", "acknowledged")
    assert made.payload["operator"] == found.to_dict()["operator"] == "MatMul node_1"
    assert read_events(ledger, since=taken.created_at) == [taken]


def test_simulated_and_few_profiles_say_nothing(profiles):
    report = find_operator_changes(read_profiles(profiles([1.0] * 5)))
    assert (report.findings, report.cases, report.too_short) == ((), 0, 1)
    assert read_profiles(profiles([1.0], origin=Origin.SIMULATED)) == []


def test_a_whole_in_another_unit_is_left_out(profiles):
    assert read_profiles(profiles([1.0, 1.0], unit="ms")) == []
