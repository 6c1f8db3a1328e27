"""Every family finds its recipe, and graphs that came with a model are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from onnx import TensorProto, helper

from ipfs_accelerate.errors import ConversionError, ModelFormatError
from ipfs_accelerate.models.conversion import find_components, read_component
from ipfs_accelerate.models.conversion.recipes import Call, recipe_for
from ipfs_accelerate.models.conversion.source import architecture_of

if TYPE_CHECKING:
    from pathlib import Path


def relu(path: Path) -> Path:
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 4]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


@pytest.mark.parametrize(
    ("model_type", "architecture", "auto_class", "components"),
    [
        ("bert", "BertModel", "AutoModel", ["model"]),
        ("bert", "BertForMaskedLM", "AutoModelForMaskedLM", ["model"]),
        ("roberta", "RobertaForTokenClassification", "AutoModelForTokenClassification", ["model"]),
        ("gpt2", "GPT2LMHeadModel", "AutoModelForCausalLM", ["model"]),
        ("mistral", "MistralForCausalLM", "AutoModelForCausalLM", ["model"]),
        ("vit", "ViTForImageClassification", "AutoModelForImageClassification", ["model"]),
        ("wav2vec2", "Wav2Vec2ForCTC", "AutoModelForCTC", ["model"]),
        ("t5", "T5ForConditionalGeneration", "AutoModelForSeq2SeqLM", ["encoder", "decoder"]),
        (
            "whisper",
            "WhisperForConditionalGeneration",
            "AutoModelForSpeechSeq2Seq",
            ["encoder", "decoder"],
        ),
        ("clip", "CLIPModel", "AutoModel", ["model", "text", "vision"]),
        ("clap", "ClapModel", "AutoModel", ["model", "text", "audio"]),
        ("detr", "DetrForObjectDetection", "AutoModelForObjectDetection", ["model"]),
    ],
)
def test_a_family_has_its_class_and_components(
    model_type: str, architecture: str, auto_class: str, components: list[str]
) -> None:
    recipe = recipe_for(model_type, architecture)
    assert recipe.auto_class == auto_class
    assert [c.name for c in recipe.components] == components


def test_a_decoder_takes_what_its_encoder_gives_under_the_same_names() -> None:
    encoder, decoder = recipe_for("t5", "T5ForConditionalGeneration").components
    given = {spec.name for spec in encoder.outputs if spec.name.startswith("cross_")}
    assert given == {spec.name for spec in decoder.inputs if spec.name.startswith("cross_")}
    assert decoder.call is Call.DECODER


def test_token_types_are_inputs_only_where_the_family_has_them() -> None:
    names = {
        family: [s.name for s in recipe_for(family, "XModel").components[0].inputs]
        for family in ("bert", "roberta")
    }
    assert "token_type_ids" in names["bert"]
    assert "token_type_ids" not in names["roberta"]


def test_an_unknown_class_is_a_conversion_error_that_names_it() -> None:
    with pytest.raises(ConversionError, match="StrangeThing"):
        recipe_for("strange", "StrangeThing")


def test_a_configuration_without_architecture_is_refused() -> None:
    assert architecture_of({"architectures": None}, "BertModel") == "BertModel"
    with pytest.raises(ConversionError, match="names no architecture"):
        architecture_of({"architectures": []})


def test_graphs_in_published_places_are_found(tmp_path: Path) -> None:
    relu(tmp_path / "onnx" / "model.onnx")
    relu(tmp_path / "onnx" / "model_quantized.onnx")
    found = find_components(tmp_path)
    assert list(found) == ["model"]
    assert found["model"].path == tmp_path / "onnx" / "model.onnx"
    assert found["model"].inputs[0].shape == ("batch", 4)


def test_a_single_graph_of_any_name_is_the_model(tmp_path: Path) -> None:
    relu(tmp_path / "resnet-v2.onnx")
    assert find_components(tmp_path)["model"].outputs[0].name == "y"


def test_several_graphs_of_unknown_names_are_not_guessed(tmp_path: Path) -> None:
    relu(tmp_path / "a.onnx")
    relu(tmp_path / "b.onnx")
    assert find_components(tmp_path) == {}


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x00" * 64])
def test_a_broken_graph_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ModelFormatError, match=r"model\.onnx"):
        read_component(tmp_path / "model.onnx", name="model")
