import numpy as np
import pytest

from ipfs_accelerate.errors import InputError, UnknownNameError
from ipfs_accelerate.evidence.regressions import (
    accept,
    accepted,
    find_regressions,
    read_history,
    store_findings,
)
from ipfs_accelerate.telemetry import Origin

STEP = [10.0] * 10 + [11.5] * 8


def report(ledger, **options):
    return find_regressions(read_history(ledger), **options)


def test_a_slowdown_names_both_runs_and_what_changed_environment_first(history):
    at = {day: {"commit": "bbbb", "torch": "2.14", "driver": "1.1"} for day in range(10, 18)}
    (found,) = report(history(STEP, at=at)).findings
    assert (found.last_good.run_id[-3:], found.first.run_id[-3:]) == ("009", "010")
    assert found.is_regression
    assert found.severity == "major"
    assert [c.kind for c in found.causes] == ["environment", "environment", "commit"]
    assert ("version of torch", "2.13", "2.14") in [
        (c.name, c.before, c.after) for c in found.causes
    ]


def test_what_a_runtime_measured_of_itself_is_no_cause(history):
    ledger = history(STEP)
    (series,) = read_history(ledger)
    assert all(point.facts["threads"] == 2 for point in series.points)
    (found,) = report(ledger).findings
    assert found.causes == ()


def test_load_that_came_with_it_is_named(history):
    at = {day: {"load": 0.4} for day in range(10, 18)}
    (found,) = report(history(STEP, at=at)).findings
    assert [c.kind for c in found.causes] == ["load"]


def test_a_speed_up_is_a_notice_and_no_regression(history):
    (found,) = report(history([11.5] * 10 + [10.0] * 8)).findings
    assert (found.severity, found.is_regression) == ("notice", False)


def test_a_change_below_the_threshold_does_not_count(history):
    assert report(history(STEP), threshold=0.3).findings == ()


def test_other_origins_never_enter_a_history(history):
    ledger = history([10.0] * 12)
    history([50.0] * 12, ledger=ledger, origin=Origin.SIMULATED)
    (series,) = read_history(ledger)
    assert series.medians_ns.max() < 12e6


def test_a_renamed_model_is_another_case(history):
    ledger = history([10.0] * 8)
    history([20.0] * 8, name="org/renamed", ledger=ledger)
    assert len(read_history(ledger)) == 2
    assert report(ledger).findings == ()


def test_zero_medians_are_left_out_and_counted(history):
    found = report(history([10.0] * 8 + [0.0] + [10.0] * 3))
    assert (found.left_out, found.findings) == (1, ())


@pytest.mark.parametrize("levels", [[], [10.0], [10.0] * 5])
def test_an_empty_or_short_history_is_said_to_be_short(history, levels):
    found = report(history(levels))
    assert (found.examined, found.too_short) == (0, min(len(levels), 1))


def test_findings_are_stored_once_with_one_event_each(history):
    ledger = history(STEP)
    findings = report(ledger).findings
    assert [store_findings(ledger, findings) for _ in range(2)] == [1, 0]
    events = ledger.query("SELECT kind, schema_name FROM performance_events").rows
    assert events == [("found", "ipfs-accelerate/performance-event/1")]


def test_an_acknowledged_finding_keeps_its_id_as_history_grows(history):
    ledger = history(STEP)
    (found,) = report(ledger).findings
    store_findings(ledger, [found])
    assert accept(ledger, found.finding_id[:5], "safer kernel") == found.finding_id
    history([*STEP, 11.5, 11.5], ledger=ledger)
    (again,) = report(ledger).findings
    assert accepted(ledger) == {again.finding_id: "safer kernel"}


def test_what_cannot_be_acknowledged_is_refused(history):
    ledger = history(STEP)
    with pytest.raises(UnknownNameError) as caught:
        accept(ledger, "feed", "why not")
    assert "regressions" in caught.value.hint
    store_findings(ledger, report(ledger).findings)
    (known,) = (row[0] for row in ledger.query(
        "SELECT finding_id FROM performance_anomalies WHERE origin = 'measured'"
    ).rows)  # fmt: skip
    with pytest.raises(InputError, match="reason"):
        accept(ledger, known, "  ")


def test_history_and_trends_are_there_under_their_published_names(history):
    ledger = history(list(np.linspace(10, 12, 12)))
    assert len(ledger.query("SELECT run_id, origin FROM performance_history").rows) == 12
    (row,) = ledger.query("SELECT relative_slope_per_day, origin FROM performance_trends").rows
    assert row[0] == pytest.approx(2 / 11 / 11, rel=0.05)


def test_limits_outside_their_range_are_refused(history):
    with pytest.raises(InputError):
        report(history([10.0]), alpha=0.0)
