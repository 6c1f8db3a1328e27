"""Quantized models are made once, measured against their source, and refused when they differ."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from ipfs_accelerate.config import load_settings
from ipfs_accelerate.errors import ConversionError, InputError, ParityError
from ipfs_accelerate.models import Component, TensorSpec
from ipfs_accelerate.models.manifest import sha256_of
from ipfs_accelerate.quantize import dynamic_onnx, half_onnx, static_onnx, static_openvino
from ipfs_accelerate.quantize._build import quantized
from ipfs_accelerate.quantize._worker import measure_parity
from ipfs_accelerate.quantize.calibration import calibrate
from ipfs_accelerate.quantize.recipes import Recipe
from ipfs_accelerate.testing.conformance import null_artifact, onnx_artifact


@pytest.fixture
def settings(tmp_path):
    return load_settings({"home": tmp_path / "home"}, environment={})


@pytest.fixture
def projection(tmp_path):
    return onnx_artifact(tmp_path / "projection")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Settings, a model and what dynamic quantization makes of it."""
    home = tmp_path_factory.mktemp("shared")
    settings = load_settings({"home": home}, environment={})
    projection = onnx_artifact(home / "projection")
    return settings, projection, dynamic_onnx(projection, settings=settings)


def feeds(count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        {
            "hidden": rng.standard_normal((1, 3, 64), dtype=np.float32),
            "scale": np.ones(1, np.float32),
        }
        for _ in range(count)
    ]


def test_the_second_time_nothing_is_made(shared):
    settings, projection, made = shared
    first = made.components["model"].path
    stamp = first.stat().st_mtime_ns
    again = dynamic_onnx(projection, settings=settings).components["model"].path
    assert (again, again.stat().st_mtime_ns) == (first, stamp)


def test_the_provenance_says_how_and_how_well(shared):
    _, projection, made = shared
    provenance = made.provenance
    assert provenance.kind == "quantized"
    assert provenance.source == projection.identity == made.identity
    assert provenance.settings["recipe"] == "dynamic_onnx"
    assert "onnxruntime" in provenance.settings["tools"]
    assert "random inputs, seed 0" in provenance.settings["calibration"]["model"]
    assert 0.99 < provenance.parity["model"]["output"]["cosine"] < 1.0
    path = made.components["model"].path
    assert [f["sha256"] for f in provenance.settings["files"]] == [sha256_of(path)]


def test_weights_become_integers(shared):
    path = shared[2].components["model"].path
    kinds = {w.data_type for w in onnx.load(path).graph.initializer if len(w.dims) == 2}
    assert kinds == {onnx.TensorProto.INT8}


def test_half_precision_keeps_the_border(projection, settings):
    path = half_onnx(projection, settings=settings).components["model"].path
    graph = onnx.load(path).graph
    kinds = {w.data_type for w in graph.initializer if len(w.dims) == 2}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_inputs_of_the_caller_are_calibrated_with(projection, settings):
    made = static_onnx(projection, settings=settings, calibration=feeds(8))
    assert made.provenance.settings["calibration"]["model"] == "4: 8 inputs of the caller"
    other = static_onnx(projection, settings=settings, calibration=lambda _: feeds(8, seed=1))
    assert other.components["model"].path != made.components["model"].path


@pytest.mark.slow  # the conformance suite runs what it makes
def test_openvino_gets_its_own_format(projection, settings):
    made = static_openvino(projection, settings=settings, calibration=feeds(6))
    assert "openvino" in made.formats
    assert made.components["model"].path.suffix == ".xml"
    assert made.components["model"].path.with_suffix(".bin").is_file()
    assert made.components["model"].inputs == projection.components["model"].inputs


def test_a_result_unlike_its_source_is_refused_and_not_kept(projection, settings):
    strict = Recipe("dynamic_onnx", 1, "onnx", ("onnxruntime",), smallest_cosine=1.01)
    with pytest.raises(ParityError, match=r"cosine 0\.99\d+ is below 1\.01") as caught:
        quantized(projection, strict, settings)
    assert "output" in caught.value.details["parity"]["model"]
    assert not list(settings.conversions_dir.glob("*/conversion.json"))


def test_a_graph_that_is_none_is_refused(projection, settings):
    projection.components["model"].path.write_bytes(b"not a graph")
    with pytest.raises(ConversionError, match="could not be quantized"):
        dynamic_onnx(projection, settings=settings)


def test_a_model_without_graphs_is_refused(tmp_path, settings):
    with pytest.raises(ConversionError, match="no graph"):
        dynamic_onnx(null_artifact(tmp_path), settings=settings)


def test_one_input_is_too_few(projection, settings):
    with pytest.raises(InputError, match="1 calibration inputs are too few"):
        static_onnx(projection, settings=settings, calibration=feeds(1))


@pytest.fixture
def text_artifact(tmp_path):
    words = {"[UNK]": 0, "the": 1, "a": 2, "water": 3}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    specs = tuple(
        TensorSpec(name, "int64", ("batch", "sequence"))
        for name in ("input_ids", "attention_mask", "token_type_ids")
    )
    component = Component("model", tmp_path / "model.onnx", specs)
    artifact = null_artifact(tmp_path)
    return replace(
        artifact,
        components={"model": component},
        config={"max_position_embeddings": 16, "vocab_size": 4},
    )


def test_a_model_with_a_tokenizer_is_calibrated_with_sentences(text_artifact):
    found = calibrate(text_artifact, text_artifact.components["model"], None)
    assert found.source == "sentences shipped in quantize"
    assert len(found.calibration) > 50
    lengths = {feed["input_ids"].shape[1] for feed in found.calibration}
    assert len(lengths) > 5
    assert max(lengths) == 16, "truncated to the model's limit"
    for feed in found.calibration:
        assert feed["input_ids"].dtype == np.int64
        assert feed["input_ids"].shape == feed["attention_mask"].shape
        assert feed["attention_mask"].all()
    assert any((feed["input_ids"] == 1).any() for feed in found.calibration)


@pytest.mark.parametrize(("limit", "longest"), [(16, 8), (6, 3)])
def test_past_tokens_and_a_sentence_fit_into_the_limit_together(text_artifact, limit, longest):
    specs = (
        TensorSpec("input_ids", "int64", ("batch", "sequence")),
        TensorSpec("attention_mask", "int64", ("batch", "total")),
        TensorSpec("past_key_values.0.key", "float32", ("batch", 2, "past_sequence", 4)),
    )
    component = replace(text_artifact.components["model"], inputs=specs)
    config = {**text_artifact.config, "max_position_embeddings": limit}
    artifact = replace(text_artifact, components={"model": component}, config=config)
    feeds = calibrate(artifact, component, None).calibration
    assert max(feed["input_ids"].shape[1] for feed in feeds) == longest
    assert max(feed["attention_mask"].shape[1] for feed in feeds) == limit
    (artifact.directory / "tokenizer.json").unlink()
    assert calibrate(artifact, component, None).source.startswith("random")


def test_random_calibration_is_repeatable(projection):
    component = projection.components["model"]
    first, again = (calibrate(projection, component, None) for _ in range(2))
    assert first.digest == again.digest
    assert "seed 0" in first.source


def test_parity_is_measured_over_all_checks():
    def source(feed):
        return {"y": feed["x"]}

    def off(feed):
        return {"y": feed["x"] + np.float32(0.5)}

    checks = [{"x": np.array([1.0, 2.0], np.float32)}, {"x": np.array([4.0], np.float32)}]
    found = measure_parity(source, off, checks)["y"]
    assert found["max_abs"] == 0.5
    assert found["max_rel"] == 0.125
    product, shifted = 1 * 1.5 + 2 * 2.5 + 4 * 4.5, 1.5**2 + 2.5**2 + 4.5**2
    assert found["cosine"] == pytest.approx(product / np.sqrt(21 * shifted))


def test_parity_of_zeros_has_no_cosine():
    def zero(feed):
        return {"y": np.zeros(3, np.float32)}

    assert measure_parity(zero, zero, [{}])["y"] == {
        "max_abs": 0.0,
        "max_rel": None,
        "cosine": None,
    }
