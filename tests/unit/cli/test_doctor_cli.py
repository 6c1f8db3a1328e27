"""``accel doctor``: sections, schema, exit status, and that a broken part is told, not fatal."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ipfs_accelerate.cli.diagnosis import diagnose
from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.cli.text import size
from ipfs_accelerate.config import load_settings

SECTIONS = (
    "Machine",
    "Devices",
    "Browsers",
    "Runtimes",
    "Targets",
    "Sensors",
    "Ledger",
    "Settings",
)


def doctor(code, tmp_path):
    """The doctor in a process of its own, after ``code``."""
    program = f"{code}\nimport sys\nfrom ipfs_accelerate.cli.main import _run\n"
    program += "sys.exit(_run(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", program, "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )


def test_text_has_every_section_and_the_reasons(capsys):
    assert _run(["doctor"]) == 0
    out = capsys.readouterr().out
    for section in SECTIONS:
        assert f"\n{section}" in out
    assert "onnxruntime/cpu" in out
    assert "→ pip install" in out or "→ needs" in out


def test_json_holds_the_same_under_a_versioned_schema(capsys):
    assert _run(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "ipfs-accelerate/doctor/1"
    assert document["usable_targets"] == sum(t["usable"] for t in document["targets"]) > 0
    for entry in [*document["devices"], *document["runtimes"], *document["targets"]]:
        assert entry["usable"] in {True, False}
        assert entry["reason"]
    assert document["disk"][0]["free_bytes"] > 0
    assert document["settings"]["hub_attempts"] == 5
    for sensor in document["sensors"]["temperature"]:
        assert sensor["usable"] or sensor["celsius"] is None


def test_no_usable_target_is_status_3(tmp_path):
    code = """
from ipfs_accelerate.plugins import plugin_manager
for name, plugin in list(plugin_manager().list_name_plugin()):
    if name.startswith("runtime-"):
        plugin_manager().unregister(plugin)
"""
    done = doctor(code, tmp_path)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["usable_targets"] == 0


def test_absent_ledger_is_said_and_not_made(own_home):
    found = diagnose(load_settings())
    assert "not created yet" in str(found.ledger["state"])
    assert not (own_home / "ledger.duckdb").exists()


def test_broken_ledger_is_told_with_its_reason(own_home):
    (own_home / "ledger.duckdb").write_bytes(b"no database" * 500)
    found = diagnose(load_settings())
    assert found.ledger["usable"] is False
    assert found.ledger["error"]


def test_whole_ledger_shows_its_schema(own_home):
    from ipfs_accelerate.store import Ledger

    with Ledger(own_home / "ledger.duckdb"):
        pass
    found = diagnose(load_settings())
    assert str(found.ledger["state"]).startswith("schema ")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (25_276_514_304, "23.5 GiB"),
        (2**50, "1024.0 TiB"),
    ],
)
def test_sizes_are_binary_and_unknown_is_a_dash(count, text):
    assert size(count) == text
