"""Small CLAPs without fusion: shifted windows, an odd square of tokens, sound from samples."""

from __future__ import annotations

import json

import torch
from case import Reference, seeded
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

AUDIO = {
    "window_size": 3,
    "num_mel_bins": 8,
    "spec_size": 32,
    "patch_size": 4,
    "patch_stride": [4, 4],
    "hidden_size": 32,
    "patch_embeds_hidden_size": 16,
    "depths": [2, 2],
    "num_attention_heads": [2, 4],
    "num_hidden_layers": 2,
    "mlp_ratio": 2.0,
}
TEXT = {
    "vocab_size": 40,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 20,
    "type_vocab_size": 1,
    "pad_token_id": 1,
}


WORDS = ["<s>", "<pad>", "</s>", "<unk>", "a", "dog", "barks", "rain", "falls", "silence"]
TEXTS = ["a dog barks", "rain", "silence falls"]
HEARING = {
    "feature_size": 8,
    "sampling_rate": 8000,
    "fft_window_size": 256,
    "hop_length": 80,
    "max_length_s": 1,
    "frequency_max": 3500,
    "truncation": "rand_trunc",
    "padding": "repeatpad",
}


def clap() -> ClapModel:
    sizes = {"projection_dim": 20}
    config = ClapConfig(text_config=TEXT | sizes, audio_config=AUDIO | sizes, **sizes)
    model = seeded(ClapModel(config))
    norm = model.audio_model.audio_encoder.batch_norm
    generator = torch.Generator().manual_seed(2)
    norm.running_mean.normal_(0, 0.3, generator=generator)
    norm.running_var.uniform_(0.5, 2, generator=generator)
    return model


def sound() -> Reference:
    """From samples and words to what the sound is."""
    model = clap()
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    words.enable_padding(pad_id=1, pad_token="<pad>")
    rows = words.encode_batch(TEXTS)
    time = torch.arange(5000) / HEARING["sampling_rate"]
    samples = torch.sin(2 * torch.pi * 440 * time * (1 + time)) * 0.4
    features = ClapFeatureExtractor(**HEARING)(
        samples.numpy(), sampling_rate=HEARING["sampling_rate"], return_tensors="pt"
    )["input_features"]
    output = model(
        input_features=features,
        input_ids=torch.tensor([row.ids for row in rows]),
        attention_mask=torch.tensor([row.attention_mask for row in rows]),
    )
    return Reference(
        "clap-sound",
        "clap",
        model.config.to_dict(),
        model.state_dict(),
        {"samples": samples},
        {"similarity": output.logits_per_audio},
        settings={"texts": TEXTS},
        files={
            "tokenizer.json": words.to_str(),
            "tokenizer_config.json": json.dumps({"pad_token": "<pad>"}),
            "preprocessor_config.json": json.dumps(HEARING),
        },
    )


def references() -> list[Reference]:
    model = clap()
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(2, 1, 101, 8, generator=generator)
    ids = torch.tensor([[0, 5, 9, 33, 2], [0, 7, 2, 1, 1]])
    mask = (ids != 1).int()
    output = model(input_features=features, input_ids=ids, attention_mask=mask)
    return [
        Reference(
            "clap",
            "clap",
            model.config.to_dict(),
            model.state_dict(),
            {"features": features, "ids": ids, "attentionMask": mask},
            {
                "audio": output.audio_embeds,
                "text": output.text_embeds,
                "similarity": output.logits_per_audio,
            },
        ),
        sound(),
    ]
