"""The facade over targets that follow a script."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest

from ipfs_accelerate.config import Settings
from ipfs_accelerate.errors import (
    ConfigurationError,
    DeadlineExceededError,
    InferenceError,
    InputError,
    LoadError,
    ModelReferenceError,
    TargetUnsupportedError,
    UnknownTargetError,
    UnknownTaskError,
)
from ipfs_accelerate.hardware import Support
from ipfs_accelerate.inference import (
    Basis,
    Evidence,
    hardware_record,
    model_record,
)
from ipfs_accelerate.models import resolve
from ipfs_accelerate.runtimes import Target
from ipfs_accelerate.store import CaseStatus, Ledger, MeasurementRecord, RunRecord
from ipfs_accelerate.telemetry import Origin
from ipfs_accelerate.testing import Behaviour, Failure, null_device
from ipfs_accelerate.testing.conformance.models import onnx_artifact

LOAD_FAILS = Behaviour(failure=Failure.LOAD_ERROR)
RUN_FAILS = Behaviour(failure=Failure.RUN_ERROR)


def test_tensors_run_on_the_first_target_and_the_result_says_where(scripted, model_path, tensors):
    result = scripted("one", "two").run(model_path, tensors)
    assert str(result.target) == "null/one/fp32"
    assert result.executed_precision == "fp32"
    assert result.choice.basis is Basis.RULES
    assert result.attempts == ()
    assert result.output["output"].shape == (1, 4, 32)


def test_a_target_that_cannot_load_is_passed_over_recorded_and_logged(
    scripted, model_path, tensors, caplog
):
    accelerator = scripted("one", "two", behaviours={"one": LOAD_FAILS})
    with caplog.at_level(logging.WARNING, "ipfs_accelerate"):
        result = accelerator.run(model_path, tensors)
    assert str(result.target) == "null/two/fp32"
    assert [(str(a.target), a.error.code) for a in result.attempts] == [("null/one/fp32", "load")]
    assert "null/one/fp32 failed (load)" in caplog.text
    again = accelerator.run(model_path, tensors)
    assert [a.error.code for a in again.attempts] == ["load"], "later results still say it"
    assert accelerator.pool.stats().failures == 1, "but it is not loaded again"


def test_a_failed_run_falls_back_and_is_tried_again_next_time(scripted, model_path, tensors):
    accelerator = scripted("one", "two", behaviours={"one": RUN_FAILS})
    for _ in range(2):
        result = accelerator.run(model_path, tensors)
        assert [a.error.code for a in result.attempts] == ["inference"]
    with accelerator.load(model_path, "null/one/fp32") as loaded:
        assert loaded.sessions["model"].runs == 2


def test_when_all_targets_fail_the_first_error_lists_them_all(scripted, model_path, tensors):
    accelerator = scripted("one", "two", behaviours={"one": LOAD_FAILS, "two": RUN_FAILS})
    with pytest.raises(LoadError) as caught:
        accelerator.run(model_path, tensors)
    tried = [(a["target"], a["code"]) for a in caught.value.details["attempts"]]
    assert tried == [("null/one/fp32", "load"), ("null/two/fp32", "inference")]


def test_a_target_that_was_asked_for_is_never_replaced_unasked(scripted, model_path, tensors):
    accelerator = scripted("one", "two", behaviours={"one": RUN_FAILS})
    with pytest.raises(InferenceError):
        accelerator.run(model_path, tensors, target="null/one/fp32")
    result = accelerator.run(model_path, tensors, target="null/one/fp32", fallback=True)
    assert str(result.target) == "null/two/fp32"
    assert result.choice.basis is Basis.REQUESTED


def test_fallback_can_be_switched_off_for_a_chosen_target(scripted, model_path, tensors):
    accelerator = scripted("one", "two", behaviours={"one": RUN_FAILS})
    with pytest.raises(InferenceError):
        accelerator.run(model_path, tensors, fallback=False)


def test_a_call_that_worked_before_still_falls_back_once(scripted, model_path, tensors):
    later = Behaviour(failure=Failure.RUN_ERROR, fails_from_run=1)
    accelerator = scripted("one", "two", behaviours={"one": later}, low_memory=False)
    assert accelerator.run(model_path, tensors).target.device == "one"
    result = accelerator.run(model_path, tensors)
    assert result.target.device == "two"
    assert [(a.target.device, a.error.code) for a in result.attempts] == [("one", "inference")]
    with accelerator.load(model_path, "null/one/fp32") as loaded:
        assert loaded.sessions["model"].runs == 2, "the failed run is not repeated"
    assert accelerator.pool.stats().leases == 0


def test_other_shapes_of_the_same_model_are_checked_anew(scripted, model_path, tensors):
    accelerator = scripted("one")
    accelerator.run(model_path, tensors)
    longer = {**tensors, "hidden": np.zeros((2, 9, 64), np.float32)}
    assert accelerator.run(model_path, longer).output["output"].shape == (2, 9, 32)
    with pytest.raises(InputError):
        accelerator.run(model_path, {**tensors, "hidden": [[1.0]]})
    with pytest.raises(InputError):
        accelerator.run(model_path, {})


def test_wrong_inputs_are_the_callers_and_try_no_other_target(scripted, model_path, tensors):
    accelerator = scripted("one", "two")
    with pytest.raises(InputError, match="hiden"):
        accelerator.run(model_path, {"hiden": tensors["hidden"], "scale": tensors["scale"]})
    assert accelerator.pool.stats().loads == 1


def test_unknown_names_get_the_nearest(scripted, model_path, tensors):
    accelerator = scripted("one")
    with pytest.raises(UnknownTargetError, match="null/one/fp32"):
        accelerator.run(model_path, tensors, target="null/on/fp32")
    with pytest.raises(UnknownTaskError, match="text-classification"):
        accelerator.run(model_path, "text", task="text-clasification")
    with pytest.raises(InputError, match="task"):
        accelerator.run(model_path, "text")
    with pytest.raises(ModelReferenceError):
        accelerator.run("./nowhere", tensors)


def test_no_usable_target_says_why(scripted, model_path, tensors):
    accelerator = scripted("one")
    absent = null_device("one", support=Support.no("unplugged"))
    vars(accelerator._planner)["devices"] = (absent,)
    with pytest.raises(TargetUnsupportedError, match="null/one/fp32: unplugged") as caught:
        accelerator.run(model_path, tensors)
    assert caught.value.details["targets"] == {"null/one/fp32": "unplugged"}


def test_a_time_limit_ends_the_wait_not_the_session(scripted, model_path, tensors):
    accelerator = scripted("one", behaviours={"one": Behaviour(failure=Failure.HANG)})
    with pytest.raises(DeadlineExceededError):
        accelerator.run(model_path, tensors, timeout_s=0.2)
    assert accelerator.pool.stats().leases == 1
    with accelerator.load(model_path) as loaded:
        loaded.sessions["model"].close()
    with pytest.raises(ConfigurationError):
        accelerator.run(model_path, tensors, timeout_s=0)


def test_a_generous_time_limit_changes_nothing(scripted, model_path, tensors):
    accelerator = scripted("one")
    bare = accelerator.run(model_path, tensors).output["output"]
    assert np.array_equal(accelerator.run(model_path, tensors, timeout_s=60).output["output"], bare)
    with pytest.raises(InputError):
        accelerator.run(model_path, {"wrong": bare}, timeout_s=60)


def test_threads_resolve_and_load_a_model_once(scripted, model_path, tensors):
    accelerator = scripted("one")
    barrier = threading.Barrier(8)

    def work(_: int) -> str:
        barrier.wait(10)
        return str(accelerator.run(model_path, tensors).target)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(work, range(8))) == {"null/one/fp32"}
    stats = accelerator.pool.stats()
    assert (stats.loads, stats.leases) == (1, 0)


def test_low_memory_keeps_nothing_loaded(scripted, model_path, tensors):
    accelerator = scripted("one", low_memory=True)
    accelerator.run(model_path, tensors)
    accelerator.run(model_path, tensors)
    stats = accelerator.pool.stats()
    assert (stats.sessions, stats.loads) == (0, 2)


def test_repeated_calls_survive_eviction_by_another_model(scripted, model_path, tensors, tmp_path):
    other = onnx_artifact(tmp_path / "other", name="other", seed=1).directory / "other.onnx"
    size = model_path.stat().st_size
    settings = Settings(home=tmp_path, pool_memory_bytes=round(1.5 * size))
    behaviours = {"one": Behaviour(weights_bytes=size)}
    accelerator = scripted("one", behaviours=behaviours, settings=settings)
    for _ in range(3):
        for path in (model_path, other):
            for _ in range(3):
                accelerator.run(path, tensors)
    stats = accelerator.pool.stats()
    assert (stats.sessions, stats.loads, stats.evictions, stats.leases) == (1, 6, 5, 0)


def test_threads_over_two_models_in_room_for_one_never_meet_a_closed_session(
    scripted, model_path, tensors, tmp_path
):
    other = onnx_artifact(tmp_path / "other", name="other", seed=1).directory / "other.onnx"
    size = model_path.stat().st_size
    settings = Settings(home=tmp_path, pool_memory_bytes=round(1.5 * size))
    behaviours = {"one": Behaviour(weights_bytes=size)}
    accelerator = scripted("one", behaviours=behaviours, settings=settings)

    def work(i: int) -> int:
        return len(accelerator.run((model_path, other)[i % 2], tensors).attempts)

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(work, range(400))) == 0
    assert accelerator.pool.stats().leases == 0


def test_a_loaded_model_stays_loaded_until_closed(scripted, model_path, tensors):
    accelerator = scripted("one")
    with accelerator.load(model_path) as loaded:
        session = loaded.sessions["model"]
        accelerator.close()
        assert loaded.run(tensors)["output"].shape == (1, 4, 32)
    assert session.is_closed
    with pytest.raises(InferenceError, match="closed"):
        loaded.run(tensors)


def test_loading_falls_back_too_and_says_so(scripted, model_path):
    accelerator = scripted("one", "two", behaviours={"one": LOAD_FAILS})
    with accelerator.load(model_path) as loaded:
        assert (loaded.target.device, len(loaded.attempts)) == ("two", 1)
    with pytest.raises(LoadError):
        accelerator.load(model_path, "null/one/fp32")
    assert accelerator.pool.stats().leases == 0


@pytest.fixture
def measured(tmp_path, model_path):
    """Writes measured rows of the model on null devices; returns the settings to read them."""

    def write(*rows: tuple[str, float], **changes: object) -> Settings:
        settings = Settings(home=tmp_path, db_path=tmp_path / "ledger.duckdb")
        artifact = resolve(model_path, settings=settings)
        run = RunRecord("run", "bench run", "performance", datetime.now(UTC))
        with Ledger(settings.ledger_path) as ledger:
            ledger.record_run(run)
            ledger.record_measurements(
                _measurement(artifact, target, ms, **changes) for target, ms in rows
            )
        return settings

    return write


def _measurement(artifact, target: str, ms: float, **changes: object) -> MeasurementRecord:
    parsed = Target.parse(target)
    facts = {
        "run_id": "run",
        "model": model_record(artifact),
        "hardware": hardware_record(null_device(parsed.device)),
        "target": target,
        "test_case": "tensors/b1",
        "task": "tensors",
        "batch_size": 1,
        "shapes": {},
        "precision": parsed.precision.value,
        "executed_precision": parsed.precision.value,
        "origin": Origin.MEASURED,
        "status": CaseStatus.OK,
        "created_at": datetime.now(UTC),
        "latency_p50_ns": round(ms * 1e6),
        "samples_ns": (round(ms * 1e6),) * 3,
        "parity": {"ok": True, "cosine": 1.0},
    }
    return MeasurementRecord(**facts | changes)


def test_own_measurements_decide_and_are_named(scripted, model_path, tensors, measured):
    settings = measured(("null/one/fp32", 5.0), ("null/two/fp32", 2.0))
    accelerator = scripted("one", "two", settings=settings)
    result = accelerator.run(model_path, tensors)
    assert str(result.target) == "null/two/fp32"
    assert result.choice.basis is Basis.MEASURED
    assert [e.latency_p50_ns for e in result.choice.rests_on] == [2_000_000, 5_000_000]
    assert accelerator.explain(model_path, tensors).target == result.target


@pytest.mark.parametrize("origin", [o for o in Origin if o is not Origin.MEASURED])
def test_rows_of_other_origins_never_decide(scripted, model_path, measured, origin):
    settings = measured(("null/two/fp32", 1.0), origin=origin, origin_reason="a test")
    choice = scripted("one", "two", settings=settings).explain(model_path)
    assert choice.basis is Basis.RULES
    assert str(choice.target) == "null/one/fp32"


def test_another_machines_measurements_never_decide(scripted, model_path, measured):
    elsewhere = hardware_record(null_device("two", memory_bytes=1))
    other = type(elsewhere)(**{f: getattr(elsewhere, f) for f in _FIELDS} | {"host": "elsewhere"})
    settings = measured(("null/two/fp32", 1.0), hardware=other)
    assert scripted("one", "two", settings=settings).explain(model_path).basis is Basis.RULES


_FIELDS = (
    "hardware_type",
    "device_id",
    "device_name",
    "platform",
    "platform_version",
    "host",
)


def test_new_measurements_count_after_forget(scripted, model_path, tensors, measured):
    settings = measured()
    accelerator = scripted("one", "two", settings=settings)
    assert accelerator.run(model_path, tensors).choice.basis is Basis.RULES
    measured(("null/two/fp32", 1.0))
    assert accelerator.run(model_path, tensors).choice.basis is Basis.RULES
    accelerator.forget(model_path)
    assert accelerator.run(model_path, tensors).choice.basis is Basis.MEASURED


def test_a_broken_ledger_costs_the_measurements_not_the_call(
    scripted, model_path, tensors, tmp_path, caplog
):
    path = tmp_path / "broken.duckdb"
    path.write_bytes(b"not a database" * 1000)
    accelerator = scripted("one", settings=Settings(home=tmp_path, db_path=path))
    with caplog.at_level(logging.WARNING, "ipfs_accelerate"):
        assert accelerator.run(model_path, tensors).choice.basis is Basis.RULES
    assert "choosing without measurements" in caplog.text


class _Oracle:
    def predict(self, artifact, targets, shape):
        return [
            Evidence(None, t, Origin.PREDICTED, shape, 1000, executed_precision="fp32")
            for t in targets
            if t.device == "two" and t.precision == "fp32"
        ]


def test_predictions_decide_where_nothing_was_measured_and_say_so(scripted, model_path):
    choice = scripted("one", "two", predictors=[_Oracle()]).explain(model_path)
    assert (choice.basis, choice.target.device) == (Basis.PREDICTED, "two")
    assert [e.origin for e in choice.rests_on] == [Origin.PREDICTED]


def test_one_measurement_outweighs_every_prediction(scripted, model_path, measured):
    settings = measured(("null/one/fp32", 9.0))
    choice = scripted("one", "two", settings=settings, predictors=[_Oracle()]).explain(model_path)
    assert (choice.basis, choice.target.device) == (Basis.MEASURED, "one")
