"""Generation is measured with prefill and decode apart, and its numerics are checked."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.needs("torch", "transformers"), pytest.mark.slow]


@pytest.mark.parametrize(
    "model", ["random://llama?size=tiny&seed=0", "random://t5?size=tiny&seed=0"]
)
def test_generation_has_phases_and_parity(accel, model):
    done = accel(
        *("run", model, "--targets", "torch/cpu/fp32,onnxruntime/cpu/fp32", "--no-gate", "--json"),
        *("--seq", "16", "--new-tokens", "8", "--budget", "500ms"),
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert len(results) == 2
    for result in results:
        assert result["test_case"].endswith("generation/b1/s16/n8")
        assert result["weights"] == "random(seed=0)"
        assert result["parity"]["ok"] is True
        metrics = result["metrics"]
        assert metrics["prefill_ns"] + metrics["decode_ns"] < 3 * result["latency_p50_ns"]
        assert metrics["decode_tokens_per_s"] == pytest.approx(7e9 / metrics["decode_ns"])
        assert result["tokens_per_s"] > 0
