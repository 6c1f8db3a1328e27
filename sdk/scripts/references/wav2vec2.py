"""Wav2Vec2 with both norms of the feature encoder, and the positional kernel normed and fused."""

from __future__ import annotations

import json

import torch
from audio import sound
from case import Reference, seeded
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2Model

SIZES = {
    "vocab_size": 12,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16, 24, 32),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
}
VOCABULARY = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4} | {
    letter: i for i, letter in enumerate("ETAOINS", 5)
}


def reference(name: str, kind: type, *, fused: bool = False, **settings: object) -> Reference:
    config = Wav2Vec2Config(**SIZES, **settings)
    model = seeded(kind(config))
    samples = torch.from_numpy(sound(0.05, 16_000))
    normalized = (samples - samples.mean()) / torch.sqrt(samples.var(unbiased=False) + 1e-7)
    output = model(normalized[None])[0]
    if fused:
        body = getattr(model, "wav2vec2", model)
        torch.nn.utils.parametrize.remove_parametrizations(
            body.encoder.pos_conv_embed.conv, "weight"
        )
    weights = {key: value for key, value in model.state_dict().items() if "masked_spec" not in key}
    is_ctc = kind is Wav2Vec2ForCTC
    return Reference(
        name,
        "wav2vec2",
        config.to_dict(),
        weights,
        {"samples": samples},
        {"logits": output, "ids": output.argmax(-1)} if is_ctc else {"states": output},
        files={"vocab.json": json.dumps(VOCABULARY)},
    )


def references() -> list[Reference]:
    stable = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
    return [
        reference("wav2vec2-ctc", Wav2Vec2ForCTC),
        reference("wav2vec2-stable", Wav2Vec2ForCTC, **stable),
        reference("wav2vec2-fused", Wav2Vec2Model, fused=True),
    ]
