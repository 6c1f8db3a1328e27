"""A ledger for charts; its numbers are made up and never leave the tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ipfs_accelerate.content.insight import Network, compare, record_run
from ipfs_accelerate.store import (
    CaseStatus,
    HardwareRecord,
    Ledger,
    MeasurementRecord,
    ModelRecord,
    ProfileMetric,
    ProfileRecord,
    RunRecord,
)
from ipfs_accelerate.telemetry import Origin

START = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HARDWARE = HardwareRecord("cpu", "cpu", "Test CPU", "Linux-x86_64", "6.1", "host", memory_gb=8.0)
RUN = "0123456789abcdef"
# Model → (task, ms on PyTorch); target → times as fast, relative noise, MiB, cosine.
MODELS = {
    "bert-tiny": ("feature-extraction", 4.1), "MiniLM-L6-v2": ("feature-extraction", 13.0),
    "bert-base": ("feature-extraction", 61.0), "vit-tiny": ("image-classification", 9.5),
    "resnet-18": ("image-classification", 31.0), "whisper-tiny": ("speech-recognition", 88.0),
}  # fmt: skip
TARGETS = {
    "torch/cpu/fp32": (1.0, 0.03, 610, 1.0), "onnxruntime/cpu/fp32": (1.9, 0.02, 320, 0.9999999),
    "onnxruntime/cpu/int8": (3.4, 0.02, 210, 0.991),
    "openvino/cpu/fp32": (1.95, 0.05, 350, 0.999999),
    "openvino/cpu/bf16": (2.9, 0.03, 330, 0.9996), "openvino/cpu/int8": (4.2, 0.04, 240, 0.988),
    "torch/cpu/bf16": (1.02, 0.08, 540, 0.9995),
}  # fmt: skip


def measured(model: str, target: str, **changes: object) -> MeasurementRecord:
    task, base_ms = MODELS[model]
    speed, noise, memory, cosine = TARGETS[target]
    rng = np.random.default_rng(sum(map(ord, model + target)))
    median_ms = base_ms / (speed * rng.uniform(0.75, 1.3) if target != "torch/cpu/fp32" else 1.0)
    samples = (median_ms * 1e6 * rng.lognormal(0, noise, 120)).astype(np.int64)
    samples[rng.random(120) < 0.02] *= 2
    median = int(np.median(samples))
    error = 1.25 * noise / 120**0.5 * 1.96
    record = MeasurementRecord(
        run_id=RUN, model=ModelRecord(model, "v1", model.split("-", maxsplit=1)[0], "text", "hub"),
        hardware=HARDWARE, target=target, test_case=f"{task}/b1", task=task, batch_size=1,
        shapes={}, precision=target.split("/")[2], origin=Origin.MEASURED, status=CaseStatus.OK,
        created_at=START, executed_precision=target.split("/")[2],
        samples_ns=tuple(int(v) for v in samples), latency_p50_ns=median,
        latency_low_ns=int(median * (1 - error)), latency_high_ns=int(median * (1 + error)),
        confidence=0.95, load_ns=int(2e8 * (1 + base_ms / 30)),
        first_inference_ns=int(median * 2.2), cpu_time_ns=int(median * 120 * 1.9),
        peak_memory_bytes=int(memory + base_ms * 9) * 2**20, parity={"ok": True, "cosine": cosine},
    )  # fmt: skip
    return replace(record, **changes)  # type: ignore[arg-type]


def failed(model: str, target: str, status: CaseStatus, message: str) -> MeasurementRecord:
    return replace(
        measured(model, target), status=status, error={"message": message}, samples_ns=(),
        latency_p50_ns=None, latency_low_ns=None, latency_high_ns=None,
    )  # fmt: skip


def history_rows() -> list[tuple[RunRecord, MeasurementRecord]]:
    found = []
    for day in range(24):
        moment = START + timedelta(days=day - 30)
        run = RunRecord(f"{day:032x}", "bench run", "performance", moment, git_commit=f"{day:07x}")
        for target, noise in (("onnxruntime/cpu/fp32", 0.004), ("openvino/cpu/fp32", 0.008)):
            scale = 1 + 0.12 * (day >= 15 and target.startswith("onnx"))
            scale *= np.random.default_rng(day).lognormal(0, noise)
            row = measured("MiniLM-L6-v2", target, run_id=run.run_id, created_at=moment)
            at = {n: int(getattr(row, n) * scale) for n in
                  ("latency_p50_ns", "latency_low_ns", "latency_high_ns")}  # fmt: skip
            found.append((run, replace(row, samples_ns=tuple(int(s * scale) for s in
                                                            row.samples_ns), **at)))  # fmt: skip
    return found


def profile(run_id: str) -> ProfileRecord:
    operators = []
    for layer in range(6):
        for part, kind, ms, flops, moved, bound in (
            ("attention.self", "matmul", 0.42, 30e6, 1.2e6, "compute"),
            ("attention.self", "attention", 0.21, 6e6, 0.8e6, "memory"),
            ("intermediate", "matmul", 0.61, 60e6, 2.4e6, "compute"),
            ("intermediate", "activation", 0.17, 0.4e6, 0.6e6, "memory"),
            ("output.LayerNorm", "normalization", 0.09, 0.3e6, 0.5e6, "memory"),
        ):
            time_ns = ms * 1e6 * (1 + 0.03 * layer)
            rate = 160e9 if bound == "compute" else 12e9
            work = flops if bound == "compute" else moved
            operators.append({
                "name": f"{part}.{kind}.{layer}", "op_type": kind, "kind": kind,
                "layer": f"encoder.layer.{layer}.{part}", "device": "cpu", "precision": "fp32",
                "calls": 1, "time_ns": time_ns, "p50_ns": time_ns, "low_ns": time_ns * 0.97,
                "high_ns": time_ns * 1.04, "share": ms / 10, "flops": int(flops),
                "moved_bytes": int(moved), "bound": bound,
                "roofline_fraction": work / time_ns * 1e9 / rate, "reason": None,
            })  # fmt: skip
    memory = [(n * 40_000_000, "load" if n < 12 else "run",
               int((90 + 22 * min(n, 12) + (n % 3)) * 2**20)) for n in range(40)]  # fmt: skip
    return ProfileRecord(
        run_id, ModelRecord("MiniLM-L6-v2", "v1", "bert", "text", "hub"), HARDWARE,
        "onnxruntime/cpu/fp32", "feature-extraction/b1", START, operators, memory,
        [ProfileMetric("unattributed_ns", 0.6e6, "ns")],
    )  # fmt: skip


def fill(ledger: Ledger) -> Ledger:
    missing = {
        ("whisper-tiny", "onnxruntime/cpu/int8"): (CaseStatus.TIMEOUT, "limit of 60 s"),
        ("resnet-18", "openvino/cpu/bf16"): (CaseStatus.UNAVAILABLE, "no bf16 arithmetic"),
        ("vit-tiny", "onnxruntime/cpu/int8"): (CaseStatus.EXECUTION_ERROR, "ConvInteger(10)"),
    }
    skipped = {("bert-base", "torch/cpu/bf16"), ("whisper-tiny", "openvino/cpu/int8")}
    ledger.record_run(RunRecord(RUN, "bench run", "performance", START, git_commit="abc"))
    pairs = [(m, t) for m in MODELS for t in TARGETS if (m, t) not in skipped]
    rows = [failed(*p, *missing[p]) if p in missing else measured(*p) for p in pairs]
    past = history_rows()
    for run, _ in past:
        ledger.record_run(run)
    ledger.record_measurements([*rows, *(row for _, row in past)])
    imagined = measured("MiniLM-L6-v2", "torch/cpu/fp32")
    ledger.record_measurements([
        replace(imagined, target=f"torch/cuda:{n}/fp16", precision="fp16", samples_ns=(),
                origin=Origin.SIMULATED, origin_reason="roofline of a data sheet", parity=None,
                latency_p50_ns=300_000 * (n + 1), latency_low_ns=None, latency_high_ns=None)
        for n in range(2)
    ])  # fmt: skip
    ledger.record_run(RunRecord("f" * 32, "bench profile", "profiling", START))
    ledger.record_profile(profile("f" * 32))
    network = Network(4, 12.5e6, 12.5e6, 12.5e6, lying=0.25)
    record_run(ledger, compare(network, 8 * 2**20, generator=np.random.default_rng(0))[0])
    return ledger


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return fill(Ledger(tmp_path_factory.mktemp("ledger") / "ledger.duckdb"))


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return Ledger(tmp_path_factory.mktemp("empty") / "ledger.duckdb")
