"""Every runtime of the product passes the one suite."""

import os
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import ipfs_accelerate.runtimes
from ipfs_accelerate.config import load_settings
from ipfs_accelerate.errors import TargetUnsupportedError
from ipfs_accelerate.hardware import System
from ipfs_accelerate.hardware.cpu import find_cpu
from ipfs_accelerate.models import resolve
from ipfs_accelerate.runtimes import LoadOptions, Target, runtimes
from ipfs_accelerate.telemetry import Origin
from ipfs_accelerate.testing import NullRuntime, null_device
from ipfs_accelerate.testing.conformance import null_artifact, onnx_artifact, reference_outputs
from ipfs_accelerate.testing.conformance.runtime import (
    Gap,
    GapKind,
    RuntimeCase,
    RuntimeConformance,
)

ROOT = Path(__file__).parents[2]
TARGETS = [
    "null/null/fp32",
    "onnxruntime/cpu/fp32",
    "onnxruntime/cpu/int8",
    "onnxruntime/cpu/int8+static",
    "openvino/cpu/fp32",
    "openvino/cpu/int8",
    "openvino/auto/fp32",
    "torch/cpu/fp32",
    pytest.param("torch/cpu/fp32+compile", marks=pytest.mark.slow),
]


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module", params=TARGETS)
def case(request, home):
    target = Target.parse(request.param)
    make = {"null": _null_case, "torch": _torch_case}.get(target.runtime, _graph_case)
    return make(target, home)


class TestRuntimes(RuntimeConformance):
    pass


def _graph_inputs(batch, sequence, rng):
    return {
        "hidden": rng.standard_normal((batch, sequence, 64), dtype=np.float32),
        "scale": np.array([2.0], dtype=np.float32),
    }


def _graph_case(target, home):
    case = RuntimeCase(
        runtime=runtimes()[target.runtime],
        device=find_cpu(System.local()),
        target=target,
        artifact=onnx_artifact(home / "projection"),
        make_inputs=_graph_inputs,
        reference=reference_outputs,
        options=_options(home),
    )
    if target.device == "auto":
        never = "OpenVINO decides about threads where it decides about the device"
        case = replace(
            case,
            chosen_device="cpu",
            gaps={
                "test_threads_are_set_as_asked": Gap(GapKind.NEVER, TargetUnsupportedError, never),
            },
        )
    return case


def _options(home):
    return LoadOptions(threads=2, settings=load_settings({"home": home}, environment={}))


def _bert_inputs(batch, sequence, rng):
    return {
        "input_ids": rng.integers(5, 100, (batch, sequence)),
        "attention_mask": np.ones((batch, sequence), dtype=np.int64),
        "token_type_ids": np.zeros((batch, sequence), dtype=np.int64),
    }


def _torch_case(target, home):
    settings = load_settings({"home": home}, environment={})
    artifact = resolve("random://bert?seed=0&size=tiny", settings=settings)
    return RuntimeCase(
        runtime=runtimes()["torch"],
        device=find_cpu(System.local()),
        target=target,
        artifact=artifact,
        make_inputs=_bert_inputs,
        reference=_transformers_outputs(artifact.directory),
        options=_options(home),
    )


@cache
def _transformers_outputs(directory):
    """The reference: the library's own class, eager, without any of our wrappers."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(directory, dtype=torch.float64, local_files_only=True).eval()

    def run(inputs):
        with torch.inference_mode():
            found = model(**{name: torch.from_numpy(value) for name, value in inputs.items()})
        return {"last_hidden_state": found.last_hidden_state.float().numpy()}

    return run


def _null_case(target, home):
    runtime = NullRuntime(origin=Origin.MEASURED)
    artifact = null_artifact(home)

    def make_inputs(batch, sequence, rng):
        return {"input": rng.standard_normal((batch, 4), dtype=np.float32)}

    def reference(inputs):
        with runtime.load(artifact, target, LoadOptions()) as session:
            return session.run(inputs)

    gaps = {
        "test_an_unknown_option_is_refused": "it takes every option",
        "test_an_unknown_component_is_refused": "it has a graph for every name",
    }
    return RuntimeCase(
        runtime=runtime,
        device=null_device(),
        target=target,
        artifact=artifact,
        make_inputs=make_inputs,
        reference=reference,
        options=LoadOptions(threads=2),
        gaps={
            name: Gap(GapKind.NOTIMPL, pytest.fail.Exception, text) for name, text in gaps.items()
        }
        | {"test_threads_are_set_as_asked": Gap(GapKind.NOTIMPL, AssertionError, "no threads")},
    )


def test_every_runtime_is_tested_here():
    tested = {str(getattr(t, "values", [t])[0]).partition("/")[0] for t in TARGETS}
    assert set(runtimes()) <= tested


def test_no_runtime_escapes_the_independence_contract():
    """A new folder must be listed where import-linter keeps runtimes apart."""
    folder = Path(ipfs_accelerate.runtimes.__file__).parent
    found = {
        f"ipfs_accelerate.runtimes.{entry.name}"
        for entry in os.scandir(folder)
        if entry.is_dir() and not entry.name.startswith("_")
    }
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = config["tool"]["importlinter"]["contracts"]
    listed = next(c["modules"] for c in contracts if c["id"] == "runtimes-blind")
    assert set(listed) == found
