"""Image preprocessing by the processors of transformers with the Pillow backend."""

from __future__ import annotations

import numpy as np
import torch
from case import Reference
from transformers import BaseImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.detr.image_processing_pil_detr import DetrImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

# Pillow resizes the width of these first, as the SDK always does.
SHAPES = [(37, 61), (52, 49)]


def pictures() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*shape, 4), dtype=np.uint8) for shape in SHAPES]


def reference(name: str, processor: BaseImageProcessor) -> Reference:
    images = pictures()
    found = processor([image[:, :, :3] for image in images], return_tensors="pt")
    expected = {"pixels": found["pixel_values"]}
    if "pixel_mask" in found:
        expected["mask"] = found["pixel_mask"]
    inputs = {f"image{i}": torch.from_numpy(image) for i, image in enumerate(images)}
    return Reference(
        f"images-{name}",
        "images",
        {},
        {"unused": torch.zeros(1)},
        inputs,
        expected,
        files={"preprocessor_config.json": processor.to_json_string()},
    )


def references() -> list[Reference]:
    small = {"shortest_edge": 24}
    crop = {"height": 24, "width": 24}
    return [
        reference("vit", ViTImageProcessorPil(size=crop)),
        reference("enlarged", ViTImageProcessorPil(size={"height": 90, "width": 50}, resample=3)),
        reference("lanczos", ViTImageProcessorPil(size=crop, resample=1)),
        reference("clip", CLIPImageProcessorPil(size=small, crop_size=crop)),
        reference(
            "clip-padded", CLIPImageProcessorPil(size=small, crop_size={"height": 31, "width": 28})
        ),
        reference("detr", DetrImageProcessorPil(size={"shortest_edge": 30, "longest_edge": 40})),
    ]
