"""Configurations for random weights: the published base dimensions, and tiny ones.

One table, longer than a module usually is: a row is added without reading the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ARCHITECTURES", "Architecture", "with_token_ids"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """One architecture.

    Attributes:
        model_type: Of `transformers`.
        default_class: Auto class when no head is named.
        sizes: Size → fields of the configuration that differ from the family's defaults.
        heads: Head as named by users → auto class.
        tokenizer: Kind of synthetic tokenizer; ``None`` for models without text.
        max_length: Longest input of the tokenizer.
        nested_text: Whether text settings lie in ``text_config``.
        preprocessor: Makes ``preprocessor_config.json`` of the configuration.
    """

    model_type: str
    default_class: str
    sizes: Mapping[str, Mapping[str, object]]
    heads: Mapping[str, str] = field(default_factory=dict)
    tokenizer: str | None = None
    max_length: int | None = None
    nested_text: bool = False
    preprocessor: Callable[[Any], dict[str, object]] | None = None


def with_token_ids(
    fields: Mapping[str, object], ids: Mapping[str, int], *, nested: bool
) -> dict[str, object]:
    """Configuration fields with the special token ids of the synthetic tokenizer."""
    roles = ("pad", "bos", "eos", "decoder_start")
    named: dict[str, object] = {f"{r}_token_id": ids[r] for r in roles if r in ids}
    named |= {f"{r}_token_id": None for r in roles if r not in ids and r != "decoder_start"}
    if "image" in ids:
        fields = {**fields, "image_token_id": ids["image"], "image_token_index": ids["image"]}
    if not nested:
        return _fallback_start({**fields, **named}, ids)
    text = fields.get("text_config")
    return {**fields, "text_config": {**(text if isinstance(text, dict) else {}), **named}}


def _fallback_start(fields: dict[str, object], ids: Mapping[str, int]) -> dict[str, object]:
    """Encoder-decoders without a start token of their own start with padding, as T5 does."""
    if "num_decoder_layers" in fields and "decoder_start" not in ids:
        fields["decoder_start_token_id"] = ids["pad"]
    return fields


def _image_processor(
    kind: str, mean: list[float], std: list[float]
) -> Callable[[Any], dict[str, object]]:
    def make(config: Any) -> dict[str, object]:  # noqa: ANN401 (a configuration)
        vision = getattr(config, "vision_config", config)
        side = getattr(vision, "image_size", 224)
        return {
            "image_processor_type": kind,
            "do_resize": True,
            "do_rescale": True,
            "do_normalize": True,
            "size": {"height": side, "width": side},
            "rescale_factor": 1 / 255,
            "image_mean": mean,
            "image_std": std,
        }

    return make


def _whisper_features(config: Any) -> dict[str, object]:  # noqa: ANN401
    frames = 2 * config.max_source_positions
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": config.num_mel_bins,
        "hop_length": 160,
        "n_fft": 400,
        "sampling_rate": 16_000,
        "chunk_length": frames // 100,
        "n_samples": frames * 160,
        "nb_max_frames": frames,
        "padding_value": 0.0,
    }


def _wave_features(config: Any) -> dict[str, object]:  # noqa: ANN401
    return {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "sampling_rate": 16_000,
        "do_normalize": True,
        "padding_value": 0.0,
        "return_attention_mask": config.feat_extract_norm == "layer",
    }


def _clap_features(config: Any) -> dict[str, object]:  # noqa: ANN401
    return {
        "feature_extractor_type": "ClapFeatureExtractor",
        "feature_size": config.audio_config.num_mel_bins,
        "sampling_rate": 48_000,
        "hop_length": 480,
        "fft_window_size": 1024,
        "max_length_s": 10,
        "truncation": "rand_trunc",
        "padding": "repeatpad",
    }


def _detr_images(config: Any) -> dict[str, object]:  # noqa: ANN401, ARG001 (same signature as the others)
    return {
        "image_processor_type": "DetrImageProcessor",
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_pad": True,
        "size": {"shortest_edge": 800, "longest_edge": 1333},
        "rescale_factor": 1 / 255,
        "image_mean": _IMAGENET_MEAN,
        "image_std": _IMAGENET_STD,
    }


_IMAGENET_MEAN, _IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_HALF = [0.5, 0.5, 0.5]
# Source: preprocessor_config.json of openai/clip-vit-base-patch32
_CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
_CLIP_STD = [0.26862954, 0.26130258, 0.27577711]

_TEXT_HEADS = {
    "sequence-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "masked-lm": "AutoModelForMaskedLM",
    "question-answering": "AutoModelForQuestionAnswering",
}
_CAUSAL = {"causal-lm": "AutoModelForCausalLM"}
# Wide enough that attention and feed-forward matter at a width of 32 (about its inverse root):
# with the usual 0.02 the embeddings would drown whatever the layers compute.
_TINY_SPREAD = 0.2
_TINY_TEXT: dict[str, object] = {
    "initializer_range": _TINY_SPREAD,
    "vocab_size": 1024,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 130,
}
_TINY_CAUSAL: dict[str, object] = {
    **_TINY_TEXT,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "tie_word_embeddings": True,
}
_TINY_IMAGE: dict[str, object] = {
    "initializer_range": _TINY_SPREAD,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
}
_TINY_RESNET: dict[str, object] = {
    "model_type": "resnet",
    "embedding_size": 8,
    "hidden_sizes": [8, 16],
    "depths": [1, 1],
    "layer_type": "basic",
    "out_features": ["stage2"],
}
_RESNET_50: dict[str, object] = {"model_type": "resnet", "out_features": ["stage4"]}
_QWEN: dict[str, object] = {"vocab_size": 151_936, "max_position_embeddings": 32_768}

ARCHITECTURES: dict[str, Architecture] = {
    "bert": Architecture(
        "bert",
        "AutoModel",
        {"tiny": _TINY_TEXT, "base": {}},
        heads=_TEXT_HEADS,
        tokenizer="wordpiece",
        max_length=512,
    ),
    "distilbert": Architecture(
        "distilbert",
        "AutoModel",
        {
            "tiny": {
                "initializer_range": _TINY_SPREAD,
                "vocab_size": 1024,
                "dim": 32,
                "n_layers": 2,
                "n_heads": 4,
                "hidden_dim": 64,
                "max_position_embeddings": 130,
            },
            "base": {},
        },
        heads=_TEXT_HEADS,
        tokenizer="wordpiece",
        max_length=512,
    ),
    "roberta": Architecture(
        "roberta",
        "AutoModel",
        {
            "tiny": {**_TINY_TEXT, "type_vocab_size": 1},
            "base": {"vocab_size": 50_265, "max_position_embeddings": 514, "type_vocab_size": 1},
        },
        heads=_TEXT_HEADS,
        tokenizer="roberta",
        max_length=512,
    ),
    "gpt2": Architecture(
        "gpt2",
        "AutoModelForCausalLM",
        {
            "tiny": {
                "initializer_range": _TINY_SPREAD,
                "vocab_size": 1024,
                "n_embd": 32,
                "n_layer": 2,
                "n_head": 4,
                "n_positions": 128,
            },
            "base": {},
        },
        heads=_CAUSAL,
        tokenizer="gpt2",
        max_length=1024,
    ),
    # The smallest published LLaMA-shaped model. Source: config.json of HuggingFaceTB/SmolLM-135M
    "llama": Architecture(
        "llama",
        "AutoModelForCausalLM",
        {
            "tiny": _TINY_CAUSAL,
            "base": {
                "vocab_size": 49_152,
                "hidden_size": 576,
                "intermediate_size": 1536,
                "num_hidden_layers": 30,
                "num_attention_heads": 9,
                "num_key_value_heads": 3,
                "head_dim": 64,
                "max_position_embeddings": 2048,
                "tie_word_embeddings": True,
            },
        },
        heads=_CAUSAL,
        tokenizer="llama",
        max_length=2048,
    ),
    # Source: config.json of Qwen/Qwen2-0.5B
    "qwen2": Architecture(
        "qwen2",
        "AutoModelForCausalLM",
        {
            "tiny": {k: v for k, v in _TINY_CAUSAL.items() if k != "head_dim"},
            "base": {
                **_QWEN,
                "hidden_size": 896,
                "intermediate_size": 4864,
                "num_hidden_layers": 24,
                "num_attention_heads": 14,
                "num_key_value_heads": 2,
                "tie_word_embeddings": True,
            },
        },
        heads=_CAUSAL,
        tokenizer="qwen",
        max_length=32_768,
    ),
    # Source: config.json of Qwen/Qwen3-0.6B
    "qwen3": Architecture(
        "qwen3",
        "AutoModelForCausalLM",
        {
            "tiny": _TINY_CAUSAL,
            "base": {
                **_QWEN,
                "hidden_size": 1024,
                "intermediate_size": 3072,
                "num_hidden_layers": 28,
                "num_attention_heads": 16,
                "num_key_value_heads": 8,
                "head_dim": 128,
                "tie_word_embeddings": True,
            },
        },
        heads=_CAUSAL,
        tokenizer="qwen",
        max_length=32_768,
    ),
    # Source: config.json of google-t5/t5-base
    "t5": Architecture(
        "t5",
        "AutoModelForSeq2SeqLM",
        {
            "tiny": {
                "vocab_size": 1024,
                "d_model": 32,
                "d_kv": 8,
                "d_ff": 64,
                "num_layers": 2,
                "num_decoder_layers": 2,
                "num_heads": 4,
            },
            "base": {
                "d_model": 768,
                "d_ff": 3072,
                "num_layers": 12,
                "num_decoder_layers": 12,
                "num_heads": 12,
            },
        },
        tokenizer="t5",
        max_length=512,
    ),
    # Source: config.json of openai/whisper-base
    "whisper": Architecture(
        "whisper",
        "AutoModelForSpeechSeq2Seq",
        {
            "tiny": {
                "init_std": _TINY_SPREAD,
                "vocab_size": 1024,
                "d_model": 32,
                "encoder_layers": 2,
                "decoder_layers": 2,
                "encoder_attention_heads": 4,
                "decoder_attention_heads": 4,
                "encoder_ffn_dim": 64,
                "decoder_ffn_dim": 64,
                "max_source_positions": 100,
                "max_target_positions": 64,
                "begin_suppress_tokens": None,
            },
            "base": {
                "d_model": 512,
                "encoder_layers": 6,
                "decoder_layers": 6,
                "encoder_attention_heads": 8,
                "decoder_attention_heads": 8,
                "encoder_ffn_dim": 2048,
                "decoder_ffn_dim": 2048,
                "begin_suppress_tokens": None,
            },
        },
        tokenizer="whisper",
        max_length=448,
        preprocessor=_whisper_features,
    ),
    "wav2vec2": Architecture(
        "wav2vec2",
        "AutoModel",
        {
            "tiny": {
                "initializer_range": _TINY_SPREAD,
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "intermediate_size": 64,
                "conv_dim": [16] * 7,
                "num_conv_pos_embeddings": 16,
                "num_conv_pos_embedding_groups": 4,
            },
            "base": {},
        },
        heads={
            "ctc": "AutoModelForCTC",
            "audio-classification": "AutoModelForAudioClassification",
        },
        tokenizer="ctc",
        preprocessor=_wave_features,
    ),
    "vit": Architecture(
        "vit",
        "AutoModel",
        {"tiny": _TINY_IMAGE, "base": {}},
        heads={"image-classification": "AutoModelForImageClassification"},
        preprocessor=_image_processor("ViTImageProcessor", _HALF, _HALF),
    ),
    "clip": Architecture(
        "clip",
        "AutoModel",
        {
            "tiny": {
                "projection_dim": 16,
                "text_config": {**_TINY_TEXT, "max_position_embeddings": 77},
                "vision_config": _TINY_IMAGE,
            },
            "base": {},
        },
        tokenizer="clip",
        max_length=77,
        nested_text=True,
        preprocessor=_image_processor("CLIPImageProcessor", _CLIP_MEAN, _CLIP_STD),
    ),
    "clap": Architecture(
        "clap",
        "AutoModel",
        {
            "tiny": {
                "projection_dim": 16,
                "text_config": {**_TINY_TEXT, "type_vocab_size": 1, "projection_dim": 16},
                "audio_config": {
                    "hidden_size": 32,
                    "patch_embeds_hidden_size": 16,
                    "depths": [1, 1],
                    "num_attention_heads": [2, 4],
                    "num_hidden_layers": 2,
                    "spec_size": 32,
                    "num_mel_bins": 8,
                    "window_size": 4,
                    "projection_dim": 16,
                },
            },
            "base": {},
        },
        tokenizer="roberta",
        max_length=512,
        nested_text=True,
        preprocessor=_clap_features,
    ),
    "detr": Architecture(
        "detr",
        "AutoModelForObjectDetection",
        {
            "tiny": {
                "backbone_config": _TINY_RESNET,
                "init_std": _TINY_SPREAD,
                "d_model": 32,
                "num_queries": 10,
                "encoder_layers": 2,
                "decoder_layers": 2,
                "encoder_attention_heads": 4,
                "decoder_attention_heads": 4,
                "encoder_ffn_dim": 64,
                "decoder_ffn_dim": 64,
            },
            "base": {"backbone_config": _RESNET_50},
        },
        preprocessor=_detr_images,
    ),
    "llava": Architecture(
        "llava",
        "AutoModelForImageTextToText",
        {
            "tiny": {
                "image_seq_length": 16,
                "text_config": {"model_type": "llama", **_TINY_CAUSAL},
                "vision_config": {"model_type": "clip_vision_model", **_TINY_IMAGE},
            }
        },
        tokenizer="llava",
        max_length=130,
        nested_text=True,
        preprocessor=_image_processor("CLIPImageProcessor", _CLIP_MEAN, _CLIP_STD),
    ),
}
