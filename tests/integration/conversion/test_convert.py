"""A model becomes a graph that computes the same, once."""

from __future__ import annotations

import json
import resource
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from ipfs_accelerate.config import Settings
from ipfs_accelerate.errors import ConversionError, DiskFullError, ModelFormatError, ParityError
from ipfs_accelerate.models import resolve
from ipfs_accelerate.models.conversion import ensure_onnx, torch_component
from ipfs_accelerate.models.flops import count_work
from ipfs_accelerate.models.inputs import sample_inputs

if TYPE_CHECKING:
    from pathlib import Path

    from ipfs_accelerate.models import ModelArtifact

pytestmark = pytest.mark.needs("torch", "transformers")

TEXT = ("batch", "sequence")


def run(artifact: ModelArtifact, component: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    path = artifact.components[component].path
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, inputs)]


def run_torch(
    artifact: ModelArtifact, component: str, inputs: dict[str, np.ndarray], dtype: str = "fp32"
) -> list[np.ndarray]:
    import torch

    module, specs, _ = torch_component(artifact, component, dtype=dtype)
    with torch.no_grad():
        outputs = module(*(torch.from_numpy(inputs[spec.name]) for spec in specs))
    return [output.numpy() for output in outputs]


def test_a_converted_model_says_what_it_is(converted_bert: ModelArtifact) -> None:
    model = converted_bert.components["model"]
    assert [(s.name, s.dtype, s.shape) for s in model.inputs] == [
        ("input_ids", "int64", TEXT),
        ("attention_mask", "int64", TEXT),
        ("token_type_ids", "int64", TEXT),
    ]
    assert [(s.name, s.shape) for s in model.outputs] == [("last_hidden_state", (*TEXT, 32))]
    provenance = converted_bert.provenance
    assert provenance.kind == "converted"
    assert provenance.source == converted_bert.identity
    assert converted_bert.weights == "random(seed=0)"
    assert provenance.settings["opset"] == 23
    assert provenance.parity is not None
    row = provenance.parity["outputs"]["model/last_hidden_state"]  # type: ignore[index]
    assert row["passed"]
    assert 0 < row["max_abs"] < 1e-4
    assert row["cosine"] > 0.999999


def test_parity_was_checked_on_the_edge_inputs(converted_bert: ModelArtifact) -> None:
    assert converted_bert.provenance.parity is not None
    cases = " ".join(map(str, converted_bert.provenance.parity["cases"]))  # type: ignore[call-overload]
    for title in ("one row", "three rows", "length one", "long", "padded left", "padded right"):
        assert title in cases
    assert "all masked but one" in cases


def test_graph_and_pytorch_component_agree(converted_bert: ModelArtifact) -> None:
    rng = np.random.default_rng(5)
    inputs = sample_inputs(converted_bert, "model", sizes={"batch": 2, "sequence": 33}, rng=rng)
    (found,) = run(converted_bert, "model", inputs)
    (expected,) = run_torch(converted_bert, "model", inputs)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    (half,) = run_torch(converted_bert, "model", inputs, dtype="bf16")
    assert half.dtype == np.float32
    assert 0 < np.abs(half - expected).max() < 0.5


def test_the_second_conversion_is_the_first(
    converted_bert: ModelArtifact, settings: Settings
) -> None:
    record = converted_bert.components["model"].path.parent / "conversion.json"  # type: ignore[union-attr]
    before = record.stat().st_ino
    source = replace(converted_bert, components={})
    again = ensure_onnx(source, settings=settings)
    assert again.components == converted_bert.components
    assert record.stat().st_ino == before
    assert json.loads(record.read_text())["source"] == converted_bert.identity


def test_work_of_a_converted_graph_is_counted_completely(converted_bert: ModelArtifact) -> None:
    path = converted_bert.components["model"].path
    assert path is not None
    work = count_work(
        path, {spec.name: (2, 16) for spec in converted_bert.components["model"].inputs}
    )
    layers, hidden, inner, heads = 2, 32, 64, 4
    products = layers * 2 * 2 * 16 * (4 * hidden**2 + 2 * hidden * inner)
    scores = layers * 2 * (4 * 16 * 16 * hidden + 5 * heads * 16 * 16)
    assert work.by_op["MatMul"] + work.by_op.get("Gemm", 0) == products
    assert work.by_op["Attention"] == scores
    assert work.is_complete


def test_a_graph_that_computes_something_else_is_refused(
    converted_bert: ModelArtifact, tmp_path: Path
) -> None:
    from ipfs_accelerate.models.conversion._parity import Differences, check_component
    from ipfs_accelerate.models.conversion.source import SourceModel

    path = converted_bert.components["model"].path
    model = onnx.load(str(path))
    weight = next(t for t in model.graph.initializer if len(t.dims) == 2 and 64 in t.dims)
    spoiled = onnx.numpy_helper.to_array(weight) * 1.05
    weight.CopyFrom(onnx.numpy_helper.from_array(spoiled.astype(np.float32), weight.name))
    onnx.save(model, str(tmp_path / "model.onnx"))
    source = SourceModel(converted_bert.directory, dtype="fp32")
    differences = Differences(source.recipe.tolerance)
    check_component(source, source.component("model"), tmp_path / "model.onnx", differences)
    with pytest.raises(ParityError, match="last_hidden_state"):
        differences.report()


def test_graphs_that_came_with_the_model_are_used_as_they_are(
    converted_bert: ModelArtifact, own_bert: ModelArtifact, settings: Settings
) -> None:
    path = converted_bert.components["model"].path
    assert path is not None
    (own_bert.directory / "model.onnx").write_bytes(path.read_bytes())
    found = ensure_onnx(replace(own_bert, components={}), settings=settings)
    assert found.components["model"].path == own_bert.directory / "model.onnx"
    assert found.provenance == own_bert.provenance
    assert not found.provenance.is_converted


@pytest.mark.slow
def test_a_disk_that_fills_up_leaves_nothing(own_bert: ModelArtifact, tmp_path: Path) -> None:
    """The child inherits a limit on the size of files, which the graph exceeds."""
    home = Settings(home=tmp_path / "home")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(DiskFullError, match="no space left"):
            ensure_onnx(own_bert, settings=home)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [p for p in home.conversions_dir.iterdir() if p.is_dir()]


def test_weights_of_another_head_are_refused(own_bert: ModelArtifact, tmp_path: Path) -> None:
    """The head would be drawn at random: another model than the one asked for."""
    config = json.loads((own_bert.directory / "config.json").read_text())
    config["architectures"] = ["BertForSequenceClassification"]
    (own_bert.directory / "config.json").write_text(json.dumps(config))
    spoiled = resolve(str(own_bert.directory), settings=Settings(home=tmp_path / "home"))
    with pytest.raises(ModelFormatError, match="classifier"):
        ensure_onnx(spoiled, settings=Settings(home=tmp_path / "home"))
    assert not [p for p in (tmp_path / "home" / "conversions").iterdir() if p.is_dir()]


def test_an_unknown_family_is_refused_before_anything_is_built(
    own_bert: ModelArtifact, tmp_path: Path
) -> None:
    strange = replace(
        own_bert, config={"architectures": ["StrangeThing"]}, model_type="strange", components={}
    )
    with pytest.raises(ConversionError, match="StrangeThing"):
        ensure_onnx(strange, settings=Settings(home=tmp_path / "home"))
    assert not (tmp_path / "home").exists()


@pytest.mark.needs("minilm")
def test_the_real_sentence_encoder_converts_and_agrees(
    minilm_directory: Path, settings: Settings
) -> None:
    artifact = ensure_onnx(resolve(minilm_directory, settings=settings), settings=settings)
    parity = artifact.provenance.parity
    assert parity is not None
    row = parity["outputs"]["model/last_hidden_state"]  # type: ignore[index]
    assert row["max_abs"] < 1e-4
    assert artifact.weights == "trained"
