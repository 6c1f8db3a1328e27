"""The key classes land in exactly the right family; every known type has one."""

import pytest

from ipfs_accelerate.models import Family, Modality, classify
from ipfs_accelerate.models.families.types import family_of, model_types

TEXT, VISION, AUDIO = Modality.TEXT, Modality.VISION, Modality.AUDIO
JOINT, VIDEO = Modality.MULTIMODAL, Modality.VIDEO
GENERATES = "ForConditionalGeneration"
KEY = [
    ("bert", "BertModel", Family.EMBEDDING, TEXT, "feature-extraction"),
    ("t5", f"T5{GENERATES}", Family.TEXT_GENERATION, TEXT, "text2text-generation"),
    ("llama", "LlamaForCausalLM", Family.TEXT_GENERATION, TEXT, "text-generation"),
    ("clip", "CLIPModel", Family.MULTIMODAL, JOINT, "zero-shot-image-classification"),
    ("vit", "ViTForImageClassification", Family.VISION, VISION, "image-classification"),
    ("clap", "ClapModel", Family.AUDIO, AUDIO, "zero-shot-audio-classification"),
    ("whisper", f"Whisper{GENERATES}", Family.AUDIO, AUDIO, "automatic-speech-recognition"),
    ("wav2vec2", "Wav2Vec2ForCTC", Family.AUDIO, AUDIO, "automatic-speech-recognition"),
    ("llava", f"Llava{GENERATES}", Family.MULTIMODAL, JOINT, "image-text-to-text"),
    ("llava_next", f"LlavaNext{GENERATES}", Family.MULTIMODAL, JOINT, "image-text-to-text"),
    ("xclip", "XCLIPModel", Family.VIDEO, VIDEO, "video-classification"),
    ("qwen2", "Qwen2ForCausalLM", Family.TEXT_GENERATION, TEXT, "text-generation"),
    ("qwen3", "Qwen3ForCausalLM", Family.TEXT_GENERATION, TEXT, "text-generation"),
    ("detr", "DetrForObjectDetection", Family.VISION, VISION, "object-detection"),
]  # fmt: skip


@pytest.mark.parametrize(("model_type", "architecture", "family", "modality", "task"), KEY)
def test_key_class_is_recognised_from_config_and_from_class_alone(
    model_type, architecture, family, modality, task
):
    full = classify({"model_type": model_type, "architectures": [architecture]})
    alone = classify({}, architecture=architecture)

    assert (full.family, full.modality, full.task) == (family, modality, task)
    assert (alone.family, alone.modality, alone.task) == (family, modality, task)
    assert full.confidence > alone.confidence > 0.5


@pytest.mark.parametrize(("model_type", "_class", "family", "_modality", "_task"), KEY)
def test_key_type_is_recognised_from_its_name_alone(model_type, _class, family, _modality, _task):
    found = classify({}, name=f"someone/{model_type.replace('_', '-')}-small")

    assert found.family is family
    assert found.confidence <= 0.5


def test_every_known_type_gets_a_family_with_evidence():
    for name in model_types():
        found = classify({"model_type": name})

        assert found.evidence, name
        assert found.evidence[0].source == "config.model_type", name
        assert found.evidence[0].says.startswith(f"model_type {name!r} "), name
        assert found.subfamily not in {"", "unknown"}, name
        assert 0.5 < found.confidence <= 1.0, name


def test_only_types_known_individually_are_other():
    other = {name for name, kind in model_types().items() if family_of(kind)[0] is Family.OTHER}

    assert other == {"decision_transformer", "esmfold2"}


def test_nothing_known_gives_no_confidence():
    found = classify({})

    assert (found.family, found.confidence, found.evidence) == (Family.OTHER, 0.0, ())


def test_contradicting_evidence_lowers_the_confidence():
    agreed = classify({"model_type": "bert"}, task="fill-mask")
    contradicted = classify({"model_type": "bert"}, task="image-classification")

    assert contradicted.family is Family.EMBEDDING
    assert contradicted.confidence < agreed.confidence


def test_graph_inputs_alone_tell_the_modality():
    assert classify({}, graph_inputs=["pixel_values"]).family is Family.VISION
    assert classify({}, graph_inputs=["input_features"]).family is Family.AUDIO
    assert classify({}, graph_inputs=["input_ids"]).family is Family.EMBEDDING
    both = classify({}, graph_inputs=["input_ids", "pixel_values"])
    assert both.family is Family.MULTIMODAL
    cached = classify({}, graph_inputs=["input_ids", "past_key_values.0.key"])
    assert cached.family is Family.TEXT_GENERATION


def test_size_speaks_for_a_generating_model():
    config = {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32}

    sources = {e.source: e for e in classify(config).evidence}

    assert sources["memory"].family is Family.TEXT_GENERATION
    assert "6.4 billion" in sources["memory"].says


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": 3},
        {"architectures": "BertModel"},
        {"architectures": []},
        {"hidden_size": "x"},
    ],
)
def test_a_malformed_config_is_not_an_error(config):
    assert classify(config).confidence == 0.0
