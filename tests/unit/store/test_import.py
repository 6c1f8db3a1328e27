"""Legacy files come in validated, once, with their origin; what is refused says why."""

from __future__ import annotations

import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ipfs_accelerate.errors import InputError, IntegrityError
from ipfs_accelerate.store import ImportOptions, find_files, import_json
from ipfs_accelerate.store.legacy import (
    LegacyContext,
    Refusal,
    RefusedError,
    legacy_measurement,
)
from ipfs_accelerate.telemetry import Origin

CONTEXT = LegacyContext("run", "old.json")
GOOD = {
    "model_name": "bert-base-uncased",
    "hardware_type": "cuda",
    "batch_size": 8,
    "precision": "fp16",
    "average_latency_ms": 12.5,
    "throughput_items_per_second": 640.0,
    "memory_peak_mb": 1024.5,
    "timestamp": "2025-03-01T12:00:00",
}


def changed(**changes: object) -> dict[str, object]:
    return {k: v for k, v in {**GOOD, **changes}.items() if v is not ...}


def test_a_legacy_record_keeps_its_values_and_names_its_file():
    row = legacy_measurement(changed(iterations=10, custom=[1, 2]), CONTEXT)
    assert (row.model.model_name, row.hardware.hardware_type) == ("bert-base-uncased", "cuda")
    assert (row.batch_size, row.precision, row.iterations) == (8, "fp16", 10)
    assert row.latency_mean_ns == 12_500_000
    assert row.latency_p50_ns is None  # a mean is no median
    assert row.peak_memory_bytes == 1024.5 * 2**20
    assert row.created_at == datetime(2025, 3, 1, 12, tzinfo=UTC)
    assert row.metrics == {"custom": [1, 2]}
    assert (row.origin, row.origin_reason) == (Origin.IMPORTED, "found in old.json")


@pytest.mark.parametrize(
    "record",
    [
        {"model": "m", "hardware": "cpu", "batch_size": 1, "latency_ms": 2, "timestamp": 1.7e9},
        {"model": "m", "device": "cuda:0", "batch_size": 1, "avg_latency": 2, "date": "2025-01-01"},
        {
            "model_id": "m",
            "hardware": "cpu",
            "batch": 1,
            "metrics": {"latency_ms": 2},
            "created_at": "2025-01-01T00:00:00+02:00",
        },
    ],
)
def test_the_usual_spellings_are_understood(record):
    assert legacy_measurement(record, CONTEXT).latency_mean_ns == 2_000_000


def test_the_precise_name_wins_over_the_vague_one():
    row = legacy_measurement(changed(latency_ms=99.0), CONTEXT)
    assert row.latency_mean_ns == 12_500_000
    assert row.metrics == {"latency_ms": 99.0}


@pytest.mark.parametrize("flag", ["is_simulated", "simulated", "is_mock"])
def test_a_record_flagged_as_simulated_never_counts_as_measured(flag):
    row = legacy_measurement(changed(**{flag: True}), CONTEXT)
    assert row.origin is Origin.SIMULATED
    assert "old.json" in row.origin_reason


@pytest.mark.parametrize("failure", [{"success": False}, {"error": "boom"}, {"status": "failed"}])
def test_a_failed_record_is_a_failed_row(failure):
    row = legacy_measurement(changed(average_latency_ms=0, **failure), CONTEXT)
    assert row.status.value == "execution_error"
    assert row.latency_mean_ns is None


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (5, Refusal.NOT_AN_OBJECT),
        (None, Refusal.NOT_AN_OBJECT),
        (changed(model_name=...), Refusal.MISSING_MODEL),
        (changed(model_name=""), Refusal.MISSING_MODEL),
        (changed(model_name={"a": 1}), Refusal.BAD_TEXT),
        (changed(model_name="x" * 501), Refusal.BAD_TEXT),
        (changed(hardware_type=...), Refusal.MISSING_HARDWARE),
        (changed(batch_size=...), Refusal.MISSING_BATCH_SIZE),
        (changed(batch_size=0), Refusal.BAD_NUMBER),
        (changed(batch_size=True), Refusal.BAD_NUMBER),
        (changed(batch_size=1.5), Refusal.BAD_NUMBER),
        (changed(average_latency_ms="12"), Refusal.BAD_NUMBER),
        (changed(average_latency_ms=-1), Refusal.BAD_NUMBER),
        (changed(average_latency_ms=0), Refusal.BAD_NUMBER),
        (changed(average_latency_ms=float("nan")), Refusal.BAD_NUMBER),
        (changed(average_latency_ms=1e300), Refusal.BAD_NUMBER),
        (changed(memory_peak_mb=True), Refusal.BAD_NUMBER),
        (changed(other=float("inf")), Refusal.BAD_NUMBER),
        (changed(timestamp=...), Refusal.MISSING_TIME),
        (changed(timestamp="yesterday"), Refusal.BAD_TIME),
        (changed(timestamp=1e300), Refusal.BAD_TIME),
        (changed(timestamp=[]), Refusal.BAD_TIME),
        (changed(is_simulated="maybe"), Refusal.BAD_TEXT),
        (changed(average_latency_ms=1e-12), Refusal.BAD_NUMBER),
        (changed(iterations=1.5), Refusal.BAD_NUMBER),
        (changed(note="half \ud800 a pair"), Refusal.BAD_TEXT),
        (changed(average_latency_ms=0.0125), Refusal.MIXED_UNITS),  # of seconds, says throughput
        (changed(average_latency_ms=5, latency_s=7), Refusal.MIXED_UNITS),
        (changed(average_latency_ms=..., avg_latency=1, unit="parsecs"), Refusal.MIXED_UNITS),
        (
            changed(average_latency_ms=..., throughput_items_per_second=..., memory_peak_mb=...),
            Refusal.MISSING_METRIC,
        ),
    ],
)
def test_a_record_that_is_no_result_is_refused_with_its_reason(record, reason):
    with pytest.raises(RefusedError) as caught:
        legacy_measurement(record, CONTEXT)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "latency",
    [{"latency_s": 0.0125}, {"average_latency_ns": 12_500_000}, {"latency_us": 12_500},
     {"avg_latency": 0.0125, "latency_unit": "s"}, {"latency_ms": 12.5, "latency_s": 0.0125}],
)  # fmt: skip
def test_a_latency_is_read_in_the_unit_it_states(latency):
    row = legacy_measurement(changed(average_latency_ms=..., **latency), CONTEXT)
    assert row.latency_mean_ns == 12_500_000


@pytest.mark.parametrize(
    ("says", "origin"),
    [
        ({"simulation_reason": "no GPU"}, Origin.SIMULATED),
        ({"simulation_reason": "no GPU", "is_simulated": False}, Origin.IMPORTED),
        ({"is_simulated": "true"}, Origin.SIMULATED),
        ({"implementation_type": "(MOCK)"}, Origin.SIMULATED),
        ({"origin": "predicted"}, Origin.PREDICTED),
        ({"origin": "measured"}, Origin.IMPORTED),
    ],
)
def test_what_a_record_says_of_itself_counts_only_against_it(says, origin):
    assert legacy_measurement(changed(**says), CONTEXT).origin is origin


def test_records_in_lists_of_lists_are_found(ledger, tmp_path):
    path = tmp_path / "nested.json"
    path.write_text(json.dumps([[changed()], [[changed(batch_size=4)]], []]))
    assert import_json(ledger, [path], ImportOptions(archive=False)).imported == 2


def test_a_batch_size_is_only_assumed_when_told():
    context = LegacyContext("run", "old.json", batch_size=4)
    assert legacy_measurement(changed(batch_size=...), context).batch_size == 4
    assert legacy_measurement(GOOD, context).batch_size == 8


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "old"
    (folder / "deeper").mkdir(parents=True)
    (folder / "list.json").write_text(json.dumps([GOOD, changed(batch_size=...), GOOD, 7]))
    (folder / "deeper" / "object.json").write_text(
        json.dumps(
            {
                "timestamp": "2025-01-01T00:00:00",
                "results": [changed(timestamp=..., batch_size=n) for n in (1, 2)],
            }
        )
    )
    (folder / "one.json").write_text(json.dumps(changed(is_simulated=True)))
    (folder / "torn.json").write_bytes(b'[{"model_name": "x"')
    (folder / "text.json").write_bytes(b"\xff\xfe\x00garbage")
    (folder / "number.json").write_text("42")
    return folder


def test_bad_records_and_files_are_reported_and_never_stop_the_rest(ledger, folder):
    report = import_json(ledger, find_files([folder]))
    assert (report.files, report.records) == (6, 7)
    assert (report.imported, report.known) == (4, 1)
    assert report.reasons() == {
        "missing_batch_size": 1,
        "no_records": 1,
        "not_an_object": 1,
        "unreadable_file": 2,
    }
    assert {(r.file.rsplit("/", 1)[1], r.index) for r in report.refused} == {
        ("list.json", 1),
        ("list.json", 3),
        ("number.json", None),
        ("text.json", None),
        ("torn.json", None),
    }
    assert ledger.stats().origins == {"imported": 3, "simulated": 1}
    assert ledger.performance() == []  # nothing of it was measured here
    rows = ledger.performance(origins=[Origin.IMPORTED], model_name="bert-base-uncased")
    assert [r.batch_size for r in rows] == [8, 1, 2] or [r.batch_size for r in rows] == [8, 2, 1]


def test_importing_again_changes_nothing(ledger, folder):
    first = import_json(ledger, find_files([folder]))
    before = ledger.stats().tables
    again = import_json(ledger, find_files([folder]))
    assert (again.imported, again.known) == (0, first.imported + first.known)
    assert again.archive == first.archive
    assert ledger.stats().tables == before


def test_a_read_back_import_has_the_key_it_is_stored_under(ledger, folder):
    import_json(ledger, find_files([folder / "one.json"]))
    row = ledger.performance(origins=[Origin.SIMULATED])[0]
    assert ledger.performance(origins=[Origin.SIMULATED], result_id=row.result_id) == [row]
    assert ledger.samples(row.result_id).size == 0


def test_originals_are_archived_whole_and_kept(ledger, folder):
    files = find_files([folder])
    report = import_json(ledger, files)
    with tarfile.open(report.archive) as tar:
        held = {m.name.rsplit("/", 1)[1]: tar.extractfile(m).read() for m in tar}
    assert held == {f.name: f.read_bytes() for f in files}
    assert report.deleted == []


def test_only_wholly_imported_originals_are_deleted_when_asked(ledger, folder):
    report = import_json(ledger, find_files([folder]), ImportOptions(delete_originals=True))
    left = {p.name for p in folder.rglob("*.json")}
    assert left == {"list.json", "torn.json", "text.json", "number.json"}
    assert len(report.deleted) == 2


def test_nothing_is_deleted_when_the_archive_does_not_hold_the_files(ledger, folder):
    files = find_files([folder / "one.json"])
    archive = Path(import_json(ledger, files).archive)
    with archive.open("r+b") as stream:
        stream.truncate(40)
    with pytest.raises(IntegrityError):
        import_json(ledger, files, ImportOptions(delete_originals=True))
    assert files[0].exists()


def test_paths_that_lead_nowhere_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        find_files([tmp_path / "absent"])
    with pytest.raises(InputError, match=r"no \*\.json"):
        find_files([tmp_path])
    with pytest.raises(InputError, match="archived"):
        ImportOptions(archive=False, delete_originals=True)
