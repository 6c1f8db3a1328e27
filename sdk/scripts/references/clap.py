"""A small CLAP without fusion: shifted windows, an odd square of tokens, sound stretched to the square."""

from __future__ import annotations

import torch
from case import Reference, seeded
from transformers import ClapConfig, ClapModel

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


def references() -> list[Reference]:
    sizes = {"projection_dim": 20}
    config = ClapConfig(text_config=TEXT | sizes, audio_config=AUDIO | sizes, **sizes)
    model = seeded(ClapModel(config))
    norm = model.audio_model.audio_encoder.batch_norm
    generator = torch.Generator().manual_seed(2)
    norm.running_mean.normal_(0, 0.3, generator=generator)
    norm.running_var.uniform_(0.5, 2, generator=generator)
    features = torch.randn(2, 1, 101, 8, generator=generator)
    ids = torch.tensor([[0, 5, 9, 33, 2], [0, 7, 2, 1, 1]])
    mask = (ids != 1).int()
    output = model(input_features=features, input_ids=ids, attention_mask=mask)
    return [
        Reference(
            "clap",
            "clap",
            config.to_dict(),
            model.state_dict(),
            {"features": features, "ids": ids, "attentionMask": mask},
            {
                "audio": output.audio_embeds,
                "text": output.text_embeds,
                "similarity": output.logits_per_audio,
            },
        )
    ]
