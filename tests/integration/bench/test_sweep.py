"""The sweep with real libraries and real processes."""

from pathlib import Path

import pytest

from ipfs_accelerate.bench.sweep import SweepRequest, run_sweep
from ipfs_accelerate.evidence.matrix import read_matrix
from ipfs_accelerate.store import Ledger, Verdict, read_verdicts
from ipfs_accelerate.telemetry import FakeClock

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("openvino")]
TORCH = "torch/cpu/fp32"


class Seen:
    """Remembers what finished."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def begin(self, count: int) -> None:
        self.count = count

    def finished(self, config_class: str, records: object, left_ns: int) -> None:
        self.names.append(config_class)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def test_a_class_gets_a_verdict_on_every_runtime_and_is_not_tried_twice(ledger: Ledger):
    request = SweepRequest(only=("BertConfig",))
    result = run_sweep(request, ledger, progress=Seen())
    found = {v.target: v for v in read_verdicts(ledger)}
    assert {t: v.verdict for t, v in found.items()} == {
        TORCH: Verdict.WORKS,
        "onnxruntime/cpu/fp32": Verdict.CONVERTED,
        "openvino/cpu/fp32": Verdict.CONVERTED,
    }
    for verdict in found.values():
        assert verdict.model_class == "BertModel"
        assert verdict.inputs == {"input_ids": "int64[2,8]"}
        assert verdict.versions["torch"]
    assert found["openvino/cpu/fp32"].largest_error is not None
    assert result.tried == 2
    again = run_sweep(request, ledger, progress=Seen())
    assert (again.planned, again.tried) == (0, 0)
    assert read_matrix(ledger).share_working(TORCH) == 1.0


def test_a_killed_class_costs_only_itself_and_names_the_stage(ledger: Ledger):
    seen = Seen()
    request = SweepRequest(
        only=("BertConfig", "LlamaConfig"), runtimes=("torch",), memory_bytes=2**20
    )
    run_sweep(request, ledger, progress=seen)
    assert seen.names == ["BertConfig", "LlamaConfig"]
    for verdict in read_verdicts(ledger):
        assert verdict.verdict is Verdict.ERROR
        assert verdict.error_class == "MemoryError"
        assert "1 MiB" in str(verdict.first_line)
    retried = run_sweep(
        SweepRequest(only=("BertConfig",), runtimes=("torch",), retry_failed=True),
        ledger,
        progress=Seen(),
    )
    assert retried.verdicts == {TORCH: {"works": 1}}


@pytest.mark.slow
def test_every_class_has_a_verdict_a_part_that_of_its_model_and_no_model_its_reason(
    ledger: Ledger,
):
    names = ("SamMaskDecoderConfig", "NougatConfig", "AyaVisionConfig")
    result = run_sweep(SweepRequest(only=names, runtimes=("torch",)), ledger, progress=Seen())
    found = {v.config_class: v for v in read_verdicts(ledger)}
    part = found["SamMaskDecoderConfig"]
    assert (part.verdict, part.first_line) == (Verdict.WORKS, "as part of SamModel")
    assert result.parts == ["SamMaskDecoderConfig"]
    assert found["NougatConfig"].stage == "no model"
    assert found["AyaVisionConfig"].stage == "configure"  # 14 heads do not divide its width
    assert list(read_matrix(ledger).without_model) == ["NougatConfig"]


@pytest.mark.slow
def test_a_sweep_stops_at_its_budget_and_goes_on_later(ledger: Ledger):
    clock = FakeClock()

    class Slow(Seen):
        def finished(self, config_class: str, records: object, left_ns: int) -> None:
            super().finished(config_class, records, left_ns)
            clock.advance_ns(10**9)

    request = SweepRequest(only=("BertConfig", "LlamaConfig"), runtimes=("torch",), budget_ns=10**9)
    first, second = Slow(), Slow()
    result = run_sweep(request, ledger, progress=first, clock=clock)
    assert (result.stopped, first.names) == ("budget", ["BertConfig"])
    assert run_sweep(request, ledger, progress=second, clock=clock).stopped is None
    assert second.names == ["LlamaConfig"]


def test_a_cancelled_sweep_says_nothing_about_the_class_it_was_at(ledger: Ledger):
    asked = iter([False] * 3)
    result = run_sweep(
        SweepRequest(only=("BertConfig",), runtimes=("torch",)),
        ledger,
        progress=Seen(),
        is_cancelled=lambda: next(asked, True),
    )
    assert result.verdicts == {}
    assert read_verdicts(ledger) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sample_of_five_minutes_gives_every_class_a_verdict_or_a_reason(ledger: Ledger):
    request = SweepRequest(sample=12, seed=1, budget_ns=300 * 10**9, timeout_ns=60 * 10**9)
    seen = Seen()
    result = run_sweep(request, ledger, progress=seen)
    verdicts = read_verdicts(ledger)
    tried = set(seen.names[:12]) - set(result.parts)
    assert {v.config_class for v in verdicts} >= tried
    assert all(v.verdict.is_good or (v.stage and v.first_line) for v in verdicts)
