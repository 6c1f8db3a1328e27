"""Run by against_optimum_benchmark.py in the peers' environment: print raw latencies in seconds."""

from __future__ import annotations

import json
import sys

from optimum_benchmark import (
    Benchmark,
    BenchmarkConfig,
    InferenceConfig,
    ProcessConfig,
    PyTorchConfig,
)


def main(model: str, duration_s: float) -> None:
    scenario = InferenceConfig(
        latency=True,
        memory=True,
        duration=duration_s,
        iterations=1,
        input_shapes={"batch_size": 1, "sequence_length": 128},
    )
    backend = PyTorchConfig(
        model=model,
        device="cpu",
        task="feature-extraction",
        library="transformers",
        no_weights=False,
        torch_dtype="float32",
    )
    config = BenchmarkConfig(
        name="peer", launcher=ProcessConfig(), scenario=scenario, backend=backend
    )
    report = Benchmark.launch(config).to_dict()
    print(json.dumps(report["forward"]["latency"]["values"]))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
