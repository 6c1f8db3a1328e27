"""``accel devices list``: what it prints, what it records, and that a bad ledger stops nothing."""

from __future__ import annotations

import json

import pytest

from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.hardware import detect
from ipfs_accelerate.store import Ledger


def listed(capsys, *options):
    status = _run(["devices", "list", *options])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def logged(path):
    with Ledger(path, read_only=True) as ledger:
        sql = """
            SELECT h.hardware_type, l.is_available, l.reason
            FROM hardware_availability_log l JOIN hardware_platforms h USING (hardware_id)
        """
        return ledger.query(sql).rows


def test_json_holds_every_device_under_a_versioned_schema(capsys):
    status, out, _ = listed(capsys, "--json", "--no-record")
    document = json.loads(out)
    assert status == 0
    assert document["schema"] == "ipfs-accelerate/devices/1"
    assert [device["id"] for device in document["devices"]] == [d.id for d in detect()]
    assert document["recorded"] is None


def test_usable_leaves_out_the_rest(capsys):
    _, out, _ = listed(capsys, "--json", "--no-record", "--usable")
    devices = json.loads(out)["devices"]
    assert devices
    assert all(device["usable"] for device in devices)


def test_table_names_every_device_and_reason(capsys):
    status, out, err = listed(capsys, "--no-record")
    assert (status, err) == (0, "")
    for device in detect():
        assert device.id in out
    usable = sum(device.support.usable for device in detect())
    assert f"{usable} of {len(detect())} usable" in out


def test_each_listing_is_recorded_with_its_reasons(capsys, own_home):
    listed(capsys)
    _, out, err = listed(capsys, "--json")
    assert json.loads(out)["recorded"] == len(detect())
    assert err == ""
    rows = logged(own_home / "ledger.duckdb")
    assert len(rows) == 2 * len(detect())
    expected = {(d.kind.value, d.support.usable, d.support.reason) for d in detect()}
    assert {tuple(row) for row in rows} == expected


def test_no_record_touches_no_ledger(capsys, own_home):
    listed(capsys, "--no-record")
    assert not (own_home / "ledger.duckdb").exists()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_ledger_that_is_none_prevents_no_listing(capsys, monkeypatch, tmp_path, as_json):
    path = tmp_path / "ledger.duckdb"
    path.write_bytes(b"this is no database" * 100)
    monkeypatch.setenv("BENCHMARK_DB_PATH", str(path))
    status, out, err = listed(capsys, *(["--json"] if as_json else []))
    assert status == 0
    assert f"not recorded in {path}" in err
    assert "cpu" in out
    assert path.read_bytes().startswith(b"this is no database")


def test_a_folder_that_cannot_be_made_prevents_no_listing(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENCHMARK_DB_PATH", str(tmp_path / "file" / "ledger.duckdb"))
    status, out, err = listed(capsys, "--json")
    assert status == 0
    assert json.loads(out)["recorded"] is None
    assert "not recorded in" in err


def test_mistyped_verb_is_a_usage_error(capsys):
    assert _run(["devices", "lst"]) == 2
    assert "lst" in capsys.readouterr().err
