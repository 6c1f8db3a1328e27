from __future__ import annotations

import torch
from case import Reference, checkpoint, seeded
from transformers import (
    DeiTConfig,
    DeiTForImageClassification,
    DeiTForImageClassificationWithTeacher,
    PreTrainedModel,
    ViTConfig,
    ViTForImageClassification,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "image_size": 16,
    "patch_size": 4,
    "num_labels": 3,
}


def reference(name: str, model: PreTrainedModel, height: int, width: int) -> Reference:
    pixels = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    moved = {"interpolate_pos_encoding": True} if (height, width) != (16, 16) else {}
    seeded(model)
    states = model.base_model(pixels, **moved).last_hidden_state
    expected = {
        "encode": states,
        "embed": states[:, 0].contiguous(),
        "classify": model(pixels, **moved).logits,
    }
    config = model.config.to_dict()
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16})
    files = {"preprocessor_config.json": processor.to_json_string()}
    return Reference(
        name, "vit", config, checkpoint(model), {"pixels": pixels}, expected, files=files
    )


def references() -> list[Reference]:
    return [
        reference("vit", ViTForImageClassification(ViTConfig(**SIZES)), 16, 16),
        reference("vit-interpolated", ViTForImageClassification(ViTConfig(**SIZES)), 20, 28),
        reference("deit", DeiTForImageClassification(DeiTConfig(**SIZES)), 16, 16),
        reference("deit-teacher", DeiTForImageClassificationWithTeacher(DeiTConfig(**SIZES)), 16, 16),
    ]
