import json

import pytest

from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.store import Ledger


@pytest.fixture
def accel(tmp_path, capsys):
    Ledger(tmp_path / "ledger.duckdb")

    def run(*arguments):
        db = str(tmp_path / "ledger.duckdb")
        status = _run(["evidence", "timing", *arguments, "--db", db])
        return status, capsys.readouterr()

    return run


def test_an_empty_ledger_is_an_answer_with_what_to_measure(accel, tmp_path):
    status, printed = accel("--output", str(tmp_path / "out"), "--format", "json,md")
    assert status == 0
    assert "Wav2Vec2: not measured; accel bench run facebook/wav2vec2-base-960h" in printed.out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["timing.json", "timing.md"]


def test_json_on_stdout_is_one_versioned_document(accel):
    status, printed = accel("--class", "vit", "--json")
    found = json.loads(printed.out)
    assert status == 0
    assert found["schema"] == "ipfs-accelerate/evidence-timing/1"
    assert [c["class"] for c in found["classes"]] == ["vit"]
    assert {g["state"] for g in found["classes"][0]["grid"]} <= {"not measured", "unavailable"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--class", "berd"),
        ("--format", "pdf"),
        ("--format", "md,json"),
        ("--since", "yesterday"),
        ("--origin", "guessed"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(accel, arguments):
    status, printed = accel(*arguments)
    assert status == 2
    assert printed.out == ""


def test_a_missing_ledger_is_said(tmp_path, capsys):
    assert _run(["evidence", "timing", "--db", str(tmp_path / "none.duckdb")]) != 0
    assert "there is no ledger" in capsys.readouterr().err
