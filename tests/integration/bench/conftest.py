"""A tiny real model and the command line as users run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ipfs_accelerate.testing.conformance.models import onnx_artifact

PLUGIN = Path(__file__).with_name("fault_plugin.py")


class Accel:
    """``accel bench …`` in a process of its own, with a home and a ledger that stay."""

    def __init__(self, folder):
        self.folder = folder
        self.ledger = folder / "ledger.duckdb"
        self.model = folder / "model"
        onnx_artifact(self.model)

    def command(self, *arguments):
        return [sys.executable, "-m", "ipfs_accelerate", "bench", *map(str, arguments)]

    def environment(self, **extra):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("IPFS_ACCELERATE_")}
        own = {"IPFS_ACCELERATE_HOME": str(self.folder / "home"), "OMP_NUM_THREADS": "2"}
        return {**kept, **own, "BENCHMARK_DB_PATH": str(self.ledger), **extra}

    def __call__(self, *arguments, **extra):
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env=self.environment(**extra),
            cwd=self.folder,
        )

    def run_arguments(self, *targets):
        return (
            *("run", self.model, "--plugin", PLUGIN, "--targets", ",".join(targets)),
            *("--seq", "4", "--budget", "200ms", "--no-gate", "--json"),
        )

    def run(self, *targets, options=(), **extra):
        done = self(*self.run_arguments(*targets), *options, **extra)
        return done, json.loads(done.stdout) if done.stdout else None


@pytest.fixture(scope="module")
def accel(tmp_path_factory):
    return Accel(tmp_path_factory.mktemp("bench"))
