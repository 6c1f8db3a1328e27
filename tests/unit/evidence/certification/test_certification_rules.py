import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from ipfs_accelerate.bench.intervals import Interval
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.certification import RULES, Policy, agreement, assess, gather
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import Origin

PAGE = Path(__file__).parents[4] / "docs" / "explanation" / "certification.md"


def assessed(ledger, subject, **policy):
    return assess(gather(ledger, subject.result_id, Policy(**policy)))


def said(found, rule):
    return next(verdict for each, verdict in found.verdicts if each.id == rule)


def judged(seen, row, **changes):
    """Three quiet runs, the first of them changed."""
    return assess(seen([row(0, **changes), row(1), row(2)]))


def test_three_quiet_runs_on_three_days_are_certified(ledger, row):
    found = assessed(ledger, row(0))
    assert found.level == "certified", found.held_by("refused") + found.held_by("provisional")
    assert 85 < found.score <= 100
    assert said(found, "stable").outcome == "unknown"  # three runs are no history


@pytest.mark.parametrize(
    ("origin", "word"), [(o, o.value) for o in Origin if o is not Origin.MEASURED]
)
def test_what_was_not_measured_is_refused_without_a_score(seen, row, origin, word):
    found = judged(seen, row, origin=origin, origin_reason="a datasheet says so")
    assert (found.level, found.score) == ("refused", None)
    assert word in said(found, "origin").text
    assert said(found, "agreement").text.startswith("not examined")


def test_a_failed_case_is_refused(seen, row):
    changed = {"status": CaseStatus.TIMEOUT, "samples_ns": ()}
    assert judged(seen, row, **changed).level == "refused"


@pytest.mark.parametrize(
    ("rule", "samples"),
    [
        ("samples", ()),
        ("samples", (5_000_000,)),
        ("samples", (0, *range(10_000_000, 10_000_099))),
        ("variation", (10_000_000,) * 100),
        ("variation", (10_000_000, 10_000_001) * 50),
        ("enough_samples", tuple(range(10_000_000, 10_000_008))),
    ],
)
def test_samples_that_are_none_are_refused(seen, row, rule, samples):
    found = judged(seen, row, samples_ns=samples)
    assert said(found, rule).outcome == "fail"
    assert found.level == "refused"


@pytest.mark.parametrize(
    "field", ["latency_p50_ns", "latency_low_ns", "latency_mean_ns", "throughput_items_per_s"]
)
def test_a_summary_that_does_not_follow_from_the_samples_is_refused(seen, row, field):
    changed = replace(row(0), **{field: 1_000_000})
    found = assess(seen([changed, row(1), row(2)]))
    assert field in said(found, "summary").text
    assert found.level == "refused"


@pytest.mark.parametrize(
    ("rule", "metrics", "level"),
    [
        ("roofline", {"fraction_of_peak": 1.4}, "refused"),
        ("roofline", {"peak_verdict": "above_roofline"}, "refused"),
        ("roofline", {"peak_verdict": "unchecked", "fraction_of_peak": None}, "refused"),
        ("roofline", {"fraction_of_peak": 0.0}, "refused"),
        ("time_fits", {"observed_ns": 10**9}, "refused"),
        ("time_fits", {"observed_ns": None}, "provisional"),
        ("quiet", {"foreign_cpu_share": 0.3}, "provisional"),
        ("quiet", {"foreign_cpu_share": None}, "provisional"),
    ],
)
def test_metrics_that_speak_against_a_row_limit_it(seen, row, rule, metrics, level):
    found = judged(seen, row, metrics={**row(0).metrics, **metrics})
    assert said(found, rule).outcome != "pass"
    assert found.level == level


def test_an_unknown_peak_names_the_command_that_measures_it(seen, row):
    metrics = {**row(0).metrics, "peak_verdict": "unchecked", "peak_reason": "--no-gate"}
    text = said(judged(seen, row, metrics=metrics), "roofline").text
    assert "accel bench run" in text


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("placement", {"placement": None}),
        ("placement", {"placement": {"nodes": {"cuda:0": {"MatMul": 1}}}}),
        ("placement", {"placement": {"nodes": {"cpu": {"MatMul": 9}, "gpu": {"Add": 1}}}}),
        ("placement", {"placement": {"nodes": {"cpu": "many"}}}),
        ("precision", {"executed_precision": None}),
        ("parity", {"parity": None}),
        ("parity", {"parity": {"ok": False, "cosine": 0.5}}),
        ("parity", {"parity": {"ok": "yes"}}),
    ],
)
def test_what_ran_elsewhere_or_otherwise_is_refused(seen, row, rule, changes):
    found = judged(seen, row, **changes)
    assert said(found, rule).outcome != "pass"
    assert found.level == "refused"


def test_a_wall_clock_that_stepped_back_is_refused(seen, row):
    metrics = {**row(0).metrics, "observed_ns": 90 * 10**9}  # within a run of 30 seconds
    found = judged(seen, row, metrics=metrics)
    assert "s of wall clock" in said(found, "clock").text
    assert found.level == "refused"


def test_a_row_stored_before_its_run_began_is_refused(seen, row):
    rows = [row(0), row(1), row(2)]
    known = seen(rows)
    times = known.runs[rows[0].run_id]
    later = replace(times, started_at=times.started_at + timedelta(hours=2))
    found = assess(replace(known, runs={**known.runs, rows[0].run_id: later}))
    assert "outside the time" in said(found, "clock").text


def test_one_run_is_at_most_provisional(seen, row):
    found = assess(seen([row(0)]))
    assert found.level == "provisional"
    assert "1 independent runs, 3 needed" in said(found, "repeats").text


def test_runs_of_one_day_and_load_are_provisional(seen, row):
    rows = [row(day, created_at=row(0).created_at + timedelta(minutes=day)) for day in range(3)]
    found = assess(seen(rows))
    assert found.level == "provisional"
    assert [rule.id for rule, _ in found.held_by("provisional")] == ["spread"]


def test_runs_that_disagree_are_refused(seen, row):
    found = assess(seen([row(0), row(1), row(2, median_ms=13.0)]))
    assert [rule.id for rule, _ in found.held_by("refused")] == ["agreement"]


def test_agreement_that_was_not_shown_is_provisional(seen, row):
    rows = [row(0), row(1, median_ms=10.5)]
    medians = [r.latency_p50_ns for r in rows]
    found = assess(seen(rows, runs=2, bound=max(medians) / min(medians) - 1))
    assert [rule.id for rule, _ in found.held_by("provisional")] == ["agreement"]


def test_a_copied_run_is_refused(seen, row):
    copy = replace(row(1), samples_ns=row(0).samples_ns)
    found = assess(seen([row(0), copy, row(2)]))
    assert "equal samples" in said(found, "copies").text
    assert found.level == "refused"


def test_rows_of_another_case_are_no_repeats(seen, row):
    found = assess(seen([row(0), row(1, target="torch/cpu/fp32"), row(2)]))
    assert "torch/cpu/fp32" in said(found, "same_case").text
    assert found.level == "refused"


def test_repeats_are_chosen_by_surroundings_and_counted(filled, row):
    other = {**row(0).environment, "versions": {"onnxruntime": "1.0"}}
    rows = [row(0), row(1), row(2), row(3, environment=other), row(4, flags=("interference",)),
            row(5, median_ms=10.4)]  # fmt: skip
    found = gather(filled(rows), rows[0].result_id)
    assert {r.run_id for r in found.repeats} == {rows[n].run_id for n in (1, 2, 5)}
    assert sum(found.left_out.values()) == 2


def test_a_change_in_the_history_makes_it_provisional(filled, row):
    levels = [10.0] * 8 + [11.5] * 8
    rows = [row(day, median_ms=level) for day, level in enumerate(levels)]
    found = assessed(filled(rows), rows[0])
    assert "step" in said(found, "stable").text


def test_a_tail_needs_its_samples(seen, row):
    found = assess(seen([row(0), row(1), row(2)], quantiles=(0.5, 0.99)))
    assert "p99 needs 662 samples" in said(found, "enough_samples").text
    assert found.level == "refused"


@pytest.mark.parametrize(
    "policy", [{"runs": 1}, {"bound": 0.0}, {"bound": 1.5}, {"quantiles": ()}, {"quantiles": (2,)}]
)
def test_a_policy_outside_its_range_is_refused(policy):
    with pytest.raises(InputError):
        Policy(**policy)


def test_the_page_states_the_rules_and_weights_of_the_code():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\w+) \| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [(r.id, str(r.weight), r.fails, r.unknown) for r in RULES]


def interval(median, error=0.002):
    return Interval(median * (1 - error), median, median * (1 + error), 0.95, 100, 100.0)


def test_agreement_covers_the_truth_whatever_differs_from_run_to_run():
    rng, covered, trials = np.random.default_rng(0), 0, 400
    for _ in range(trials):
        runs = [interval(1e7 * np.exp(rng.normal(0, 0.02)), 0.004) for _ in range(4)]
        found = agreement(runs, bound=0.05)
        covered += found.low_ns <= 1e7 <= found.high_ns
    assert covered / trials > 0.92


def test_equal_runs_agree_and_have_no_heterogeneity():
    found = agreement([interval(1e7)] * 3, bound=0.05)
    assert (found.verdict, found.ratio, found.heterogeneity) == ("agree", 1.0, 0.0)


@pytest.mark.parametrize("bad", [[], [interval(1e7)], [interval(0.0)] * 2, [interval(np.nan)] * 2])
def test_agreement_of_nothing_is_refused(bad):
    with pytest.raises(InputError):
        agreement(bad, bound=0.05)
