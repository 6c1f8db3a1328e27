"""Runs of real runtimes: refusals, simulation, repetition, comparison, reports."""

from __future__ import annotations

import json

import pytest

ORT = "onnxruntime/cpu/fp32"
GPU = "onnxruntime/cuda/fp16"


@pytest.fixture(scope="module")
def first_run(accel):
    return accel.run(ORT, "openvino/cpu/fp32", options=("--report", accel.folder / "report.html"))


@pytest.mark.needs("openvino")
def test_real_runtimes_are_measured_with_parity(first_run):
    done, document = first_run
    assert done.returncode == 0, done.stderr
    results = {r["target"]: r for r in document["results"]}
    assert set(results) == {ORT, "openvino/cpu/fp32"}
    for result in results.values():
        assert result["status"] == "ok"
        assert result["parity"]["ok"] is True
        assert result["parity"]["reference"] == ORT
        assert result["placement"]["nodes"]
        assert result["load_ns"] > 0
        assert result["first_inference_ns"] >= result["latency_p50_ns"] / 10
        assert result["cpu_time_ns"] >= 0
        assert result["environment"]["versions"]
        assert result["environment"]["kernel"]


@pytest.mark.needs("openvino")
def test_the_run_recommends_the_fastest_right_target(first_run):
    _, document = first_run
    best = next(r for r in document["results"] if r["rank"] == 1)
    assert document["recommendation"][0]["target"] == best["target"]


@pytest.mark.needs("openvino")
def test_a_report_is_written(first_run, accel):
    done, _ = first_run
    assert f"wrote {accel.folder / 'report.html'}" in done.stderr
    assert "<html" in (accel.folder / "report.html").read_text().lower()


def test_a_second_run_is_compared_with_the_first(accel):
    target = "fault/good/fp32"
    _, before = accel.run(target)
    done, now = accel.run(target, FAULT_PLUGIN_LATENCY_NS="4000000")
    assert done.returncode == 0, done.stderr
    found = next(c for c in now["comparisons"] if c["target"] == target)
    assert found["previous_run"] == before["run"]["run_id"]
    assert found["verdict"] == "slower"
    assert 0.4 < found["low"] <= found["ratio"] <= found["high"] < 0.7

    ids = [before["run"]["run_id"][:12], now["run"]["run_id"][:12]]
    assert accel("compare", *ids).returncode == 1
    back = accel("compare", *reversed(ids), "--json")
    assert back.returncode == 0, back.stderr
    assert json.loads(back.stdout)["comparisons"][0]["verdict"] == "faster"
    shown = accel("show", ids[1])
    assert target in shown.stdout
    listed = json.loads(accel("list", "--json").stdout)["runs"]
    assert [r["run_id"][:12] for r in listed[:2]] == list(reversed(ids))


def test_an_absent_device_is_refused_and_nothing_is_run(accel):
    done, document = accel.run(GPU)
    assert done.returncode == 3
    assert document["error"]["code"] == "device_unavailable"
    assert "accel devices list" in done.stderr or "hint" in done.stderr


def test_a_simulated_row_is_marked_and_never_ranked(accel):
    done, document = accel.run(GPU, "fault/good/fp32", options=("--simulate",))
    assert done.returncode == 0, done.stderr
    simulated = next(r for r in document["results"] if r["target"] == GPU)
    assert simulated["origin"] == "simulated"
    assert "roofline lower bound" in simulated["origin_reason"]
    assert "A100" in simulated["device"]
    assert simulated["rank"] is None
    assert simulated["samples"] == 0
    assert simulated["latency_interval_ns"] is None
    assert "[simulated]" in done.stderr
    assert document["recommendation"][0]["target"] != GPU
    shown = accel("show", document["run"]["run_id"])
    assert "Not measured, not ranked" in shown.stdout


def test_an_unknown_run_is_refused(accel, first_run):
    assert accel("show", "ffffffffffff").returncode == 2
