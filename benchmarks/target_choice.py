"""Is the chosen target the right one, and does anything from PyPI beat it?

`python benchmarks/target_choice.py` answers three questions on a BERT-base-shaped model (seeded
random weights), batch 1 × 128:

1. Is the target that `Accelerator` chooses within 5 % of the fastest of all measured?
2. How many times faster than PyTorch eager fp32 is it?
3. At equal executed precision, is anything a user could install faster by more than 5 %? The peers
   are the plain libraries with their own defaults, run beside our session, interleaved call by call
   in one process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate import Accelerator, Ledger, ModelRef
from ipfs_accelerate.bench.compare import compare
from ipfs_accelerate.config import load_settings
from ipfs_accelerate.models import resolve
from ipfs_accelerate.models.conversion import ensure_onnx
from ipfs_accelerate.models.inputs import sample_inputs

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "random://bert?seed=0&size=base"
ACCEL = str(Path(sys.executable).parent / "accel")


def measure(model: str, ledger: Path, *, budget: str, sequence: int) -> list[dict[str, object]]:
    """All targets of this machine through the command line, interleaved."""
    command = [
        ACCEL, "bench", "run", model, "--targets", "all", "--batch", "1", "--seq", str(sequence),
        "--budget", budget, "--db", str(ledger), "--json",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise SystemExit(done.stderr)
    rows: list[dict[str, object]] = json.loads(done.stdout)["results"]
    return [row for row in rows if row["status"] == "ok"]


def fp32_peers(
    onnx: str, feed: dict[str, np.ndarray], artifact: object
) -> dict[str, Callable[[], object]]:
    import onnxruntime as ort
    import openvino as ov
    import torch

    session = ort.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    request = ov.compile_model(
        onnx, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    ).create_infer_request()
    module = transformers_model(artifact)
    compiled = torch.compile(module)
    tensors = {name: torch.from_numpy(value) for name, value in feed.items()}

    def run_torch(model: object) -> Callable[[], object]:
        def call() -> object:
            with torch.inference_mode():
                return model(**tensors)  # type: ignore[operator]

        return call

    return {
        "onnxruntime, its defaults": lambda: session.run(None, feed),
        "openvino, f32 hint": lambda: request.infer(feed),
        "transformers eager": run_torch(module),
        "torch.compile": run_torch(compiled),
    }


def int8_peers(
    onnx: str, feed: dict[str, np.ndarray], folder: Path
) -> dict[str, Callable[[], object]]:
    import onnxruntime as ort
    import openvino as ov
    from onnxruntime.quantization import QuantType, quantize_dynamic

    small = str(folder / "dynamic.onnx")
    # without the list the quantizer writes an invalid graph for the Attention operator of opset 23
    quantize_dynamic(
        onnx, small, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"]
    )
    session = ort.InferenceSession(small, providers=["CPUExecutionProvider"])
    peers: dict[str, Callable[[], object]] = {
        "onnxruntime quantize_dynamic": lambda: session.run(None, feed)
    }
    import nncf

    nncf.set_log_level(30)
    weights_only = nncf.compress_weights(ov.Core().read_model(onnx))
    compressed = ov.compile_model(weights_only, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    weights_request = compressed.create_infer_request()
    peers["openvino, NNCF int8 weights"] = lambda: weights_request.infer(feed)
    rng = np.random.default_rng(1)
    calibration = [
        {n: rng.integers(0, 1000, v.shape) if n == "input_ids" else v for n, v in feed.items()}
        for _ in range(16)
    ]
    full = nncf.quantize(
        ov.Core().read_model(onnx), nncf.Dataset(calibration),
        model_type=nncf.ModelType.TRANSFORMER, subset_size=16,
    )  # fmt: skip
    request = ov.compile_model(
        full, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    ).create_infer_request()
    peers["openvino, NNCF quantize"] = lambda: request.infer(feed)
    return peers


def transformers_model(artifact: object) -> object:
    from transformers import AutoModel

    return AutoModel.from_pretrained(artifact.directory).eval()  # type: ignore[attr-defined]


def interleave(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, np.ndarray]:
    times: dict[str, list[int]] = {name: [] for name in calls}
    for turn in range(rounds + 5):
        for name, call in calls.items():
            start = time.perf_counter_ns()
            call()
            if turn >= 5:
                times[name].append(time.perf_counter_ns() - start)
    return {name: np.asarray(values) for name, values in times.items()}


def show_peers(precision: str, ours: str, times: dict[str, np.ndarray]) -> None:
    print(f"\nequal precision {precision}, interleaved; ratio above 1: the peer is slower")
    print(f"  {'who':<34}{'median ms':>10}{'min ms':>9}{'ratio':>8}   95 % interval")
    for name, values in times.items():
        row = f"  {name:<34}{np.median(values) / 1e6:>10.2f}{values.min() / 1e6:>9.2f}"
        if name != ours:
            c = compare(times[ours], values, interleaved=True)
            row += f"{c.ratio:>8.3f}   {c.low:.3f}–{c.high:.3f} {c.verdict}"
            row += "" if c.high >= 0.95 else "  FASTER BY MORE THAN 5 %"
        print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--sequence", type=int, default=128)
    parser.add_argument("--budget", default="20s", help="sampling time of each target")
    parser.add_argument("--rounds", type=int, default=60, help="interleaved calls of each peer")
    arguments = parser.parse_args()
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "ledger.duckdb"
        rows = measure(arguments.model, path, budget=arguments.budget, sequence=arguments.sequence)
        rows.sort(key=lambda row: row["latency_p50_ns"])  # type: ignore[arg-type,return-value]
        print(f"{'target':<30}{'median ms':>10}{'executed':>10}{'vs eager':>10}  parity")
        eager = next(r["latency_p50_ns"] for r in rows if r["target"] == "torch/cpu/fp32")
        for row in rows:
            parity = row["parity"] or {}
            ratio = eager / row["latency_p50_ns"]  # type: ignore[operator]
            print(
                f"{row['target']:<30}{row['latency_p50_ns'] / 1e6:>10.2f}"  # type: ignore[operator]
                f"{row['executed_precision']:>10}{ratio:>9.2f}×  cosine {parity.get('cosine'):.5f}"  # type: ignore[union-attr]
                f" ok {parity.get('ok')}"  # type: ignore[union-attr]
            )
        settings = load_settings()
        artifact = ensure_onnx(resolve(ModelRef.parse(arguments.model)), settings=settings)
        component = artifact.components["model"]
        feed = sample_inputs(
            artifact, "model", sizes={"batch": 1, "sequence": arguments.sequence},
            rng=np.random.default_rng(0),
        )  # fmt: skip
        with Accelerator(ledger=Ledger(path, read_only=True)) as accelerator:
            choice = accelerator.explain(arguments.model, feed)
            chosen = next(row for row in rows if row["target"] == str(choice.target))
            slower = chosen["latency_p50_ns"] / rows[0]["latency_p50_ns"]  # type: ignore[operator]
            faster = eager / chosen["latency_p50_ns"]  # type: ignore[operator]
            print(f"\nchosen: {choice.target} ({choice.basis})")
            print(f"  {slower:.3f} of the time of the fastest measured (goal: at most 1.05)")
            print(f"  {faster:.2f}× faster than PyTorch eager fp32 (goal: 2, or 4 with AMX)")
            for precision in ("fp32", "int8"):
                best = next((r for r in rows if r["executed_precision"] == precision), None)
                if best is None:
                    continue
                ours = f"ours: {best['target']}"
                with accelerator.load(arguments.model, str(best["target"])) as loaded:
                    calls: dict[str, Callable[[], object]] = {ours: lambda m=loaded: m.run(feed)}
                    onnx = str(component.path)
                    calls |= (
                        fp32_peers(onnx, feed, artifact) if precision == "fp32"
                        else int8_peers(onnx, feed, folder)
                    )  # fmt: skip
                    show_peers(precision, ours, interleave(calls, arguments.rounds))


if __name__ == "__main__":
    main()
