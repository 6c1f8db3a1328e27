import pytest

from ipfs_accelerate.evidence.timing import KEY_CLASSES
from ipfs_accelerate.evidence.timing.selection import select
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.store.timing import read_attempts, read_results

TARGET = "torch/cpu/fp32"


def only(ledger):
    (group,) = select(read_attempts(ledger), KEY_CLASSES)
    (cell,) = group.cells
    return cell


def test_the_newest_result_speaks(store, row):
    newest = row(TARGET, 4.0, day=3)
    cell = only(store(row(TARGET, 5.0, day=1), newest, row(TARGET, 6.0, day=2)))
    assert (cell.attempt.result_id, cell.reason) == (newest.result_id, None)
    assert cell.attempt.runs == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"samples": 1}, "1 sample gives no interval"),
        ({"samples": 0}, "no positive median"),
        ({"samples_ns": (0, 5, 5), "latency_p50_ns": 5}, "not a positive duration"),
        ({"latency_p50_ns": 0}, "no positive median"),
        ({"flags": ("above_roofline",)}, "measured peak"),
        ({"flags": ("interference",)}, "measured alone"),
        ({"flags": ("wide_interval", "throttled")}, "throttled, and it was measured alone"),
    ],
)
def test_a_result_that_proves_nothing_gives_way_to_an_older_one(store, row, changes, reason):
    doubtful = row(TARGET, 4.0, day=2, **changes)
    older = row(TARGET, 5.0, day=1)
    cell = only(store(older, doubtful))
    assert cell.attempt.result_id == older.result_id
    assert cell.reason is None
    assert reason in cell.newer_failure


def test_alone_it_is_shown_with_the_reason(store, row):
    cell = only(store(row(TARGET, 4.0, samples=1)))
    assert "1 sample" in cell.reason


def test_disturbance_is_forgiven_where_all_targets_shared_it(store, row):
    facts = {"interleaved": True, "group": 0, "blocks": [80]}
    cell = only(store(row(TARGET, 4.0, flags=("interference",), environment=facts)))
    assert cell.reason is None


def test_another_version_of_the_model_proves_nothing(store, row):
    old = row(TARGET, 4.0, day=1, version="v1")
    new = row("onnxruntime/cpu/fp32", 4.0, day=2, version="v2")
    (group,) = select(read_attempts(store(old, new)), KEY_CLASSES)
    reasons = {cell.attempt.target: cell.reason for cell in group.cells}
    assert reasons == {
        "onnxruntime/cpu/fp32": None,
        TARGET: "it was measured on an earlier version of the model",
    }


def test_a_failure_says_what_went_wrong(store, row):
    error = {"error": {"message": "no kernel"}}
    failed = row(TARGET, 1.0, day=2, samples=0, status=CaseStatus.EXECUTION_ERROR, error=error)
    assert only(store(failed)).reason == "execution_error: no kernel"


def test_rows_come_back_as_they_were_written(store, row):
    written = row(TARGET, 4.0, metrics={"peak_bound": "memory"}, flags=("bimodal",))
    (back,) = read_results(store(written), [written.result_id, "0" * 32])
    assert (back.result_id, back.samples_ns) == (written.result_id, written.samples_ns)
    assert (back.flags, back.metrics) == (written.flags, written.metrics)
    assert (back.model, back.hardware) == (written.model, written.hardware)
    assert back.created_at == written.created_at
