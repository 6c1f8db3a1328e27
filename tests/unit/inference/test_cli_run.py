"""``accel run`` over a small real ONNX model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.cli.rendering import as_json_value, as_text
from ipfs_accelerate.cli.run import command
from ipfs_accelerate.inference.scores import LabelScore

TARGET = "onnxruntime/cpu/fp32"


@pytest.fixture
def tensors_file(tmp_path, tensors):
    np.savez(tmp_path / "inputs.npz", **tensors)
    return tmp_path / "inputs.npz"


def test_tensors_from_a_file_run_and_the_document_is_versioned(model_path, tensors_file):
    result = CliRunner().invoke(
        command,
        [str(model_path), "-i", f"@{tensors_file}", "--target", TARGET, "--json", "--explain"],
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["schema"] == "ipfs-accelerate/run/1"
    assert document["target"] == TARGET
    assert document["executed_precision"] == "fp32"
    assert np.asarray(document["output"]["output"]).shape == (1, 4, 32)
    assert document["choice"]["basis"] == "requested"
    assert document["attempts"] == []


def test_the_explanation_goes_to_stderr_and_the_result_to_stdout(model_path, tensors_file):
    result = CliRunner().invoke(
        command, [str(model_path), "-i", f"@{tensors_file}", "--target", TARGET, "--explain"]
    )
    assert "float32[1x4x32]" in result.stdout
    assert "basis" not in result.stdout
    assert "basis   requested" in result.stderr
    assert f"ran on {TARGET}" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-i", "a", "--task", "fil-mask"], "fill-mask"),
        (["-i", "a", "--target", "onnxruntime/cpu/f3"], "precision"),
        (["-i", "a", "--target", "onnxrt/cpu/fp32"], "onnxruntime/cpu/fp32"),
        (["-i", "@nowhere.txt"], "nowhere.txt"),
        (["-i", "@broken.npz"], "broken.npz"),
        (["-i", "a", "-o", "top_k"], "NAME=VALUE"),
        (["-i", "a", "-i", "b", "--stream"], "--stream"),
        (["-i", "a"], "task"),
        ([], "--input"),
    ],
)
def test_bad_requests_end_with_usage_and_a_hint(
    model_path, tmp_path, monkeypatch, capsys, arguments, text
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04nothing")
    assert _run(["run", str(model_path), *arguments]) == 2
    assert text in capsys.readouterr().err


def test_pickled_arrays_are_refused(model_path, tmp_path, capsys):
    np.savez(tmp_path / "evil.npz", hidden=np.asarray([{"a": 1}], dtype=object))
    assert _run(["run", str(model_path), "-i", f"@{tmp_path / 'evil.npz'}"]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_values_that_are_no_numbers_are_null_in_json():
    assert as_json_value(np.asarray([1.0, np.nan, -np.inf])) == [1.0, None, None]


def test_records_and_arrays_read_well_as_text():
    assert as_text([LabelScore("good", 0.75)]) == "0.7500  good"
    assert as_text(np.zeros(384, np.float32)).startswith("float32[384] 0, 0")
    assert as_text([]) == "(nothing found)"
