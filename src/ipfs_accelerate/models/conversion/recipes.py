"""How each family of models becomes graphs: the one place to edit when a family is added.

A recipe is data: which `transformers` auto class loads the model, and which flat inputs and outputs
each of its graphs has. In shapes an integer or a name means itself (a name is a dynamic dimension),
and ``$field`` stands for a value of the configuration. ``{i}`` in a name repeats the port for every
decoder layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import ConversionError
from ipfs_accelerate.models.artifact import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ATTENTION_OPSET",
    "RECIPE_VERSION",
    "Call",
    "ComponentRecipe",
    "Recipe",
    "Tolerance",
    "recipe_for",
]

#: Raise when a change of this package changes what a conversion produces.
RECIPE_VERSION = 1
#: First opset with the ``Attention`` operator, which graph runtimes recognise as a whole.
#: Source: https://onnx.ai/onnx/operators/onnx__Attention.html
ATTENTION_OPSET = 23


class Call(StrEnum):
    """What a graph computes of its model."""

    FORWARD = "forward"
    CAUSAL = "causal"
    ENCODER = "encoder"
    DECODER = "decoder"
    TEXT_FEATURES = "get_text_features"
    IMAGE_FEATURES = "get_image_features"
    AUDIO_FEATURES = "get_audio_features"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Largest difference between ONNX Runtime and PyTorch, both in float32.

    An output passes when ``|a - b| <= absolute * max(1, max|b|) + relative * |b|`` everywhere:
    rounding errors of a sum grow with its largest terms, not with the result.
    """

    absolute: float = 5e-5
    relative: float = 1e-4


@dataclass(frozen=True, slots=True)
class ComponentRecipe:
    """One graph.

    Attributes:
        name: Component name in the artifact.
        call: What it computes.
        inputs: Ports in the order of the graph, shapes not yet resolved.
        outputs: Likewise.
    """

    name: str
    call: Call
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """All graphs of a model.

    Attributes:
        auto_class: Class of `transformers` that loads the weights.
        components: The graphs.
        opset: ONNX opset of the graphs.
        tolerance: Of the parity check.
    """

    auto_class: str
    components: tuple[ComponentRecipe, ...]
    opset: int = ATTENTION_OPSET
    tolerance: Tolerance = Tolerance()


def _i64(name: str, *shape: int | str) -> TensorSpec:
    return TensorSpec(name, "int64", shape)


def _f32(name: str, *shape: int | str) -> TensorSpec:
    return TensorSpec(name, "float32", shape)


_IDS = _i64("input_ids", "batch", "sequence")
_MASK = _i64("attention_mask", "batch", "sequence")
_TYPES = _i64("token_type_ids", "batch", "sequence")
_PIXELS = _f32("pixel_values", "batch", "$num_channels", "$image_size", "$image_size")
_ANY_PIXELS = _f32("pixel_values", "batch", "$num_channels", "image_height", "image_width")
_WAVE = _f32("input_values", "batch", "samples")
_MEL = _f32("input_features", "batch", "$num_mel_bins", "$input_frames")
_HIDDEN = _f32("last_hidden_state", "batch", "sequence", "$hidden_size")
_LOGITS = _f32("logits", "batch", "$num_labels")
_TOKEN_LOGITS = _f32("logits", "batch", "sequence", "$vocab_size")
_PAST_SHAPE = ("batch", "$num_key_value_heads", "past_sequence", "$head_dim")
_TOTAL_SHAPE = ("batch", "$num_key_value_heads", "total_sequence", "$head_dim")
_CROSS_SHAPE = ("batch", "$num_key_value_heads", "encoder_sequence", "$head_dim")
_PAST = tuple(_f32(f"past_key_values.{{i}}.{x}", *_PAST_SHAPE) for x in ("key", "value"))
_PRESENT = tuple(_f32(f"present.{{i}}.{x}", *_TOTAL_SHAPE) for x in ("key", "value"))
_CROSS = tuple(_f32(f"cross_key_values.{{i}}.{x}", *_CROSS_SHAPE) for x in ("key", "value"))


def _one(call: Call, inputs: tuple[TensorSpec, ...], *outputs: TensorSpec) -> ComponentRecipe:
    return ComponentRecipe("model", call, inputs, outputs)


def _causal() -> tuple[ComponentRecipe, ...]:
    inputs = (
        _IDS,
        _i64("attention_mask", "batch", "total_sequence"),
        _i64("position_ids", "batch", "sequence"),
        *_PAST,
    )
    return (_one(Call.CAUSAL, inputs, _TOKEN_LOGITS, *_PRESENT),)


def _sequence_to_sequence(
    source: tuple[TensorSpec, ...], mask: tuple[TensorSpec, ...] = ()
) -> tuple[ComponentRecipe, ...]:
    hidden = _f32("last_hidden_state", "batch", "encoder_sequence", "$hidden_size")
    encoder = ComponentRecipe("encoder", Call.ENCODER, source, (hidden, *_CROSS))
    inputs = (_IDS, *mask, *_CROSS, *_PAST)
    decoder = ComponentRecipe("decoder", Call.DECODER, inputs, (_TOKEN_LOGITS, *_PRESENT))
    return encoder, decoder


def _dual(call: Call, other: tuple[TensorSpec, ...], kind: str) -> tuple[ComponentRecipe, ...]:
    """CLIP and its relatives: both towers with their scores, and each tower alone."""
    text = (_IDS, _MASK)
    rows = f"{kind}_batch"
    joint = tuple(replace(spec, shape=(rows, *spec.shape[1:])) for spec in other)
    text_embeds = _f32("text_embeds", "batch", "$projection_dim")
    other_embeds = _f32(f"{kind}_embeds", "batch", "$projection_dim")
    outputs = (
        _f32(f"logits_per_{kind}", rows, "batch"),
        _f32("logits_per_text", "batch", rows),
        text_embeds,
        replace(other_embeds, shape=(rows, "$projection_dim")),
    )
    return (
        _one(Call.FORWARD, (*text, *joint), *outputs),
        ComponentRecipe("text", Call.TEXT_FEATURES, text, (text_embeds,)),
        ComponentRecipe("audio" if kind == "audio" else "vision", call, other, (other_embeds,)),
    )


# Class-name suffix → auto class and outputs, for models that are one forward pass.
_TEXT_HEADS: dict[str, tuple[str, tuple[TensorSpec, ...]]] = {
    "ForSequenceClassification": ("AutoModelForSequenceClassification", (_LOGITS,)),
    "ForTokenClassification": (
        "AutoModelForTokenClassification",
        (_f32("logits", "batch", "sequence", "$num_labels"),),
    ),
    "ForMaskedLM": ("AutoModelForMaskedLM", (_TOKEN_LOGITS,)),
    "ForQuestionAnswering": (
        "AutoModelForQuestionAnswering",
        (_f32("start_logits", "batch", "sequence"), _f32("end_logits", "batch", "sequence")),
    ),
    "Model": ("AutoModel", (_HIDDEN,)),
}
_VISION_HEADS: dict[str, tuple[str, tuple[TensorSpec, ...]]] = {
    "ForImageClassification": ("AutoModelForImageClassification", (_LOGITS,)),
    "Model": ("AutoModel", (_f32("last_hidden_state", "batch", "patches", "$hidden_size"),)),
}
_AUDIO_HEADS: dict[str, tuple[str, tuple[TensorSpec, ...]]] = {
    "ForCTC": ("AutoModelForCTC", (_f32("logits", "batch", "frames", "$vocab_size"),)),
    "ForSequenceClassification": ("AutoModelForAudioClassification", (_LOGITS,)),
    "Model": ("AutoModel", (_f32("last_hidden_state", "batch", "frames", "$hidden_size"),)),
}
_TOKEN_TYPE_FAMILIES = frozenset(
    {"albert", "bert", "big_bird", "canine", "convbert", "electra", "ernie", "funnel", "layoutlm"}
    | {
        "megatron-bert",
        "mobilebert",
        "nezha",
        "nystromformer",
        "rembert",
        "roformer",
        "squeezebert",
    }
)
_FIXED_SIZE_VISION = frozenset(
    {"beit", "data2vec-vision", "deit", "dinov2", "ijepa", "swin", "swinv2", "vit", "vit_mae"}
)
_ANY_SIZE_VISION = frozenset(
    {"bit", "convnext", "convnextv2", "efficientnet", "mobilenet_v1", "mobilenet_v2", "regnet"}
    | {"resnet", "segformer"}
)
_WAVE_FAMILIES = frozenset(
    {"data2vec-audio", "hubert", "sew", "unispeech", "unispeech-sat", "wav2vec2", "wavlm"}
)
_TEXT_TO_TEXT = frozenset(
    {"bart", "blenderbot", "blenderbot-small", "led", "longt5", "m2m_100", "marian", "mbart"}
    | {"mt5", "mvp", "pegasus", "t5", "umt5"}
)
_ENCODER_MASK = _i64("encoder_attention_mask", "batch", "encoder_sequence")
_SOURCE = (
    _i64("input_ids", "batch", "encoder_sequence"),
    _i64("attention_mask", "batch", "encoder_sequence"),
)
_DETECTION = (
    _f32("logits", "batch", "$num_queries", "$num_scores"),
    _f32("pred_boxes", "batch", "$num_queries", 4),
)
_CLAP_FEATURES = (_f32("input_features", "batch", 1, "$input_frames", "$num_mel_bins"),)

_IMAGE_TEXT = Recipe("AutoModel", _dual(Call.IMAGE_FEATURES, (_PIXELS,), "image"))
_MASKED_DETECTOR = _one(
    Call.FORWARD,
    (_ANY_PIXELS, _i64("pixel_mask", "batch", "image_height", "image_width")),
    *_DETECTION,
)
# Model type → recipe, for families that share nothing with others.
_SPECIAL: dict[str, Recipe] = {
    "whisper": Recipe("AutoModelForSpeechSeq2Seq", _sequence_to_sequence((_MEL,))),
    "clip": _IMAGE_TEXT,
    "chinese_clip": _IMAGE_TEXT,
    "clap": Recipe("AutoModel", _dual(Call.AUDIO_FEATURES, _CLAP_FEATURES, "audio")),
    "detr": Recipe("AutoModelForObjectDetection", (_MASKED_DETECTOR,)),
    "conditional_detr": Recipe("AutoModelForObjectDetection", (_MASKED_DETECTOR,)),
    "table-transformer": Recipe("AutoModelForObjectDetection", (_MASKED_DETECTOR,)),
    "yolos": Recipe("AutoModelForObjectDetection", (_one(Call.FORWARD, (_PIXELS,), *_DETECTION),)),
}


def recipe_for(model_type: str, architecture: str) -> Recipe:
    """The recipe of a model class.

    Args:
        model_type: ``model_type`` of the configuration, e.g. ``bert``.
        architecture: Class name, e.g. ``BertForMaskedLM``.

    Raises:
        ConversionError: No recipe covers it.
    """
    found = _special(model_type, architecture) or _by_head(model_type, architecture)
    if found is None:
        raise ConversionError(
            f"no conversion is known for {architecture} (model type {model_type!r})",
            hint="offer the model as ONNX, or add the family to ipfs_accelerate.models.conversion",
            details={"model_type": model_type, "architecture": architecture},
        )
    return found


def _special(model_type: str, architecture: str) -> Recipe | None:
    if architecture.endswith("Classification"):
        return None
    if architecture.endswith(("ForCausalLM", "LMHeadModel")):
        return Recipe("AutoModelForCausalLM", _causal())
    if model_type in _TEXT_TO_TEXT:
        pair = _sequence_to_sequence(_SOURCE, (_ENCODER_MASK,))
        return Recipe("AutoModelForSeq2SeqLM", pair)
    return _SPECIAL.get(model_type)


def _by_head(model_type: str, architecture: str) -> Recipe | None:
    heads, inputs = _modality(model_type)
    for suffix, (auto_class, outputs) in heads.items():
        if architecture.endswith(suffix):
            return Recipe(auto_class, (_one(Call.FORWARD, inputs, *outputs),))
    return None


def _modality(
    model_type: str,
) -> tuple[Mapping[str, tuple[str, tuple[TensorSpec, ...]]], tuple[TensorSpec, ...]]:
    if model_type in _FIXED_SIZE_VISION:
        return _VISION_HEADS, (_PIXELS,)
    if model_type in _ANY_SIZE_VISION:
        feature_map = _f32("last_hidden_state", "batch", "channels", "rows", "columns")
        return _VISION_HEADS | {"Model": ("AutoModel", (feature_map,))}, (_ANY_PIXELS,)
    if model_type in _WAVE_FAMILIES:
        return _AUDIO_HEADS, (_WAVE,)
    types = (_TYPES,) if model_type in _TOKEN_TYPE_FAMILIES else ()
    return _TEXT_HEADS, (_IDS, _MASK, *types)
