import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.store import (
    CaseStatus,
    HardwareRecord,
    Ledger,
    MeasurementRecord,
    ModelRecord,
    RunRecord,
)
from ipfs_accelerate.telemetry import Origin

START = datetime(2026, 1, 2, tzinfo=UTC)
TARGETS = {"torch/cpu/fp32": 10.0, "onnxruntime/cpu/fp32": 5.0}


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    """A month of one model on two targets; one of them becomes 15 % slower."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.duckdb"
    ledger, rng, rows = Ledger(path), np.random.default_rng(0), []
    for day in range(16):
        run, moment = f"run{day:03d}", START + timedelta(days=day)
        ledger.record_run(RunRecord(run, "bench run", "performance", moment))
        for target, level in TARGETS.items():
            slow = 1.15 if day >= 9 and target.startswith("torch") else 1.0
            samples = (level * slow * 1e6 * rng.lognormal(0, 0.01, 80)).astype(np.int64)
            median = int(np.median(samples))
            rows.append(
                MeasurementRecord(
                    run_id=run, model=ModelRecord("org/model", "v1", "bert", "text", "hub"),
                    hardware=HardwareRecord("cpu", "cpu", "Test CPU", "Linux", "6.1", "host"),
                    target=target, test_case="feature-extraction/b1/s128",
                    task="feature-extraction", batch_size=1, shapes={}, precision="fp32",
                    origin=Origin.MEASURED, status=CaseStatus.OK, created_at=moment,
                    samples_ns=tuple(map(int, samples)), latency_p50_ns=median,
                    latency_low_ns=int(median * 0.998), latency_high_ns=int(median * 1.002),
                    confidence=0.95, metrics={"foreign_cpu_share": float(rng.random())},
                )
            )  # fmt: skip
    ledger.record_measurements(rows)
    return path


@pytest.fixture
def accel(db, capsys):
    def run(*arguments):
        status = _run(["evidence", *arguments, "--db", str(db)])
        return status, capsys.readouterr()

    return run


def asked(accel, *arguments):
    status, printed = accel(*arguments, "--json")
    return status, json.loads(printed.out)


def test_summary_gives_quantiles_with_intervals_or_the_reason_why_not(accel):
    status, found = asked(accel, "summary", "--limit", "2")
    p50, _, p99 = found["results"][0]["quantiles"]
    assert status == 0
    assert p50["low"] < p50["estimate"] < p50["high"]
    assert p99["low"] is None
    assert p99["samples_needed"] > 80
    assert "80 samples" in accel("summary")[1].out


def test_compare_names_ratio_shift_and_dominance(accel):
    _, found = asked(accel, "summary", "--target", "torch/cpu/fp32")
    newest, oldest = (found["results"][i]["result_id"][:10] for i in (0, -1))
    status, compared = asked(accel, "compare", oldest, newest)
    assert (status, compared["verdict"]) == (0, "slower")
    assert compared["shift_ns"] > 1e6
    assert compared["cliffs_delta"] > 0.9
    assert "slower" in accel("compare", oldest, newest)[1].out


def test_an_unknown_result_is_an_error_with_a_hint(accel):
    status, printed = accel("compare", "feed", "f00d")
    assert status == 2
    assert "summary" in printed.err


@pytest.mark.parametrize(
    "level", ["test_run", "model", "hardware", "model_hardware", "task_type", "worker"]
)
def test_every_level_aggregates_by_the_geometric_mean_of_ratios(accel, level):
    status, found = asked(accel, "aggregate", "--by", level)
    assert status == 0
    assert sum(group["results"] for group in found["groups"]) == 32
    assert all(1 <= group["relative_latency"] < 2.4 for group in found["groups"])


def test_another_origin_is_empty_and_not_mixed_in(accel):
    assert asked(accel, "aggregate", "--origin", "simulated")[1]["groups"] == []
    assert accel("aggregate", "--by", "planet")[0] == 2


def test_correlation_corrects_for_pairs_and_says_when_it_cannot(accel):
    status, found = asked(accel, "correlate", "latency", "foreign_cpu_share", "iterations")
    by_pair = {(row["x"], row["y"]): row for row in found["pairs"]}
    assert status == 0
    assert by_pair["latency", "foreign_cpu_share"]["adjusted_p_value"] > 0.01
    assert by_pair["latency", "iterations"]["reason"] == "one side is constant"
    assert accel("correlate", "latency", "colour")[0] == 2


def test_regressions_exit_with_1_until_acknowledged(accel):
    status, found = asked(accel, "regressions")
    (finding,) = found["findings"]
    assert status == 1
    assert finding["target"] == "torch/cpu/fp32"
    assert finding["first_run"] == "run009"
    assert {f["origin"] for f in found["forecasts"]} == {"predicted"}
    assert finding["finding_id"] in accel("regressions")[1].out
    assert accel("acknowledge", finding["finding_id"], "--reason", "known")[0] == 0
    status, printed = accel("regressions")
    assert status == 0
    assert "known" in printed.out


def test_events_tell_what_was_found_and_accepted_once(accel):
    accel("regressions")
    _, found = asked(accel, "events")
    first = found["events"][0]
    assert found["schema"].endswith("evidence-events/1")
    assert first["kind"] == "found"
    assert first["payload"]["target"] == "torch/cpu/fp32"
    assert first["finding_id"] in accel("events")[1].out
    assert asked(accel, "events", "--since", "2200-01-01")[1]["events"] == []
    assert "no event" in accel("events", "--since", "2200-01-01")[1].out
    assert accel("events", "--since", "yesterday")[0] == 2


def test_a_throughput_is_never_compared_with_a_latency(accel, db):
    """A row that has only a rate enters no comparison of times, and is refused by name."""
    moment = START + timedelta(days=40)
    ledger = Ledger(db)
    ledger.record_run(RunRecord("rates", "bench run", "performance", moment))
    row = MeasurementRecord(
        run_id="rates", model=ModelRecord("org/model", "v1", "bert", "text", "hub"),
        hardware=HardwareRecord("cpu", "cpu", "Test CPU", "Linux", "6.1", "host"),
        target="torch/cpu/fp32", test_case="feature-extraction/b1/s128",
        task="feature-extraction", batch_size=1, shapes={}, precision="fp32",
        origin=Origin.MEASURED, status=CaseStatus.OK, created_at=moment,
        throughput_items_per_s=1e12, tokens_per_s=1e12, peak_memory_bytes=1,
    )  # fmt: skip
    before = asked(accel, "aggregate", "--by", "model")[1]["groups"]
    ledger.record_measurements([row])
    assert row.result_id[:12] not in accel("summary", "--limit", "99", "--json")[1].out
    other = asked(accel, "summary", "--limit", "1")[1]["results"]
    assert asked(accel, "regressions")[1]["left_out"] == 1
    (now,), (then,) = asked(accel, "aggregate", "--by", "model")[1]["groups"], before
    assert now["relative_latency"] == then["relative_latency"]
    for result in other:
        status, printed = accel("compare", result["result_id"][:12], row.result_id[:12])
        assert status == 2
        assert "sample" in printed.err


def test_an_empty_ledger_is_a_clear_answer(tmp_path, capsys):
    path = tmp_path / "empty.duckdb"
    Ledger(path)
    for verb in ("summary", "aggregate", "events", "regressions"):
        assert _run(["evidence", verb, "--db", str(path)]) == 0
    assert "0 cases examined" in capsys.readouterr().out
