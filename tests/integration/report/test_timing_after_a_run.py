"""A short real run, and what the timing report makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.cli.main import _run

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = ["torch/cpu/fp32", "onnxruntime/cpu/fp32"]


@pytest.mark.slow
@pytest.mark.needs("torch")
def test_measured_classes_are_ranked_and_cite_rows_of_the_ledger(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db, models = str(tmp_path / "ledger.duckdb"), ["bert", "vit"]
    refs = [f"random://{name}?seed=0&size=tiny" for name in models]
    sizes = ["--targets", ",".join(TARGETS), "--seq", "16", "--budget", "1s", "--no-gate"]
    assert _run(["bench", "run", *refs, *sizes, "--db", db]) == 0
    capsys.readouterr()
    assert _run(["evidence", "timing", "--db", db, "--json", "--output", str(tmp_path / "o")]) == 0
    found = json.loads(capsys.readouterr().out)
    measured = {c["class"]: c for c in found["classes"] if c["is_measured"]}
    assert sorted(measured) == models
    for of_class in measured.values():
        (ranking,) = of_class["rankings"]
        assert sorted(row["target"] for row in ranking["ranks"]) == sorted(TARGETS)
        assert all(row["first_inference_ns"] > 0 for row in ranking["ranks"])
        assert all("accel bench profile" in limit["command"] for limit in ranking["limits"])
    known = {row["result_id"] for c in measured.values() for r in c["rankings"]
             for row in r["ranks"]}  # fmt: skip
    assert all(set(advice["result_ids"]) <= known for advice in found["advice"])
    assert (tmp_path / "o" / "timing.html").stat().st_size > 3_000_000
