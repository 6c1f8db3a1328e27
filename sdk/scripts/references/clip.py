from __future__ import annotations

import torch
from case import Reference, checkpoint, seeded
from transformers import CLIPConfig, CLIPModel

SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
}


def reference(name: str, end: int) -> Reference:
    text = SIZES | {"vocab_size": 40, "max_position_embeddings": 12, "eos_token_id": end}
    vision = SIZES | {"image_size": 12, "patch_size": 4}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=20)
    model = seeded(CLIPModel(config))
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(2, 3, 12, 12, generator=generator)
    ids = torch.randint(3, 38, (3, 8), generator=generator)
    mask = torch.ones_like(ids)
    ids[0, 7] = ids[1, 4] = ids[2, 6] = 39
    ids[1, 5:], mask[1, 5:] = 1, 0
    outputs = model(input_ids=ids, attention_mask=mask, pixel_values=pixels)
    return Reference(
        name,
        "clip",
        config.to_dict(),
        checkpoint(model),
        {"ids": ids, "attentionMask": mask, "pixels": pixels},
        {
            "text": outputs.text_embeds,
            "images": outputs.image_embeds,
            "classify": outputs.logits_per_image,
        },
    )


def references() -> list[Reference]:
    return [reference("clip", 39), reference("clip-old-end", 2)]
