from __future__ import annotations

import re

import torch
from case import Reference, checkpoint, seeded
from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig
from transformers.models.detr.image_processing_pil_detr import DetrImageProcessorPil

SIZES = [(60, 90), (75, 50)]
MINIMUM_SCORE = 0.3


def to_timm(name: str) -> str:
    """The name a tensor has in a checkpoint made with timm's backbone."""
    name = name.replace("embedder.embedder.convolution", "conv1")
    name = name.replace("embedder.embedder.normalization", "bn1")
    name = re.sub(r"encoder\.stages\.(\d)\.layers", lambda found: f"layer{int(found[1]) + 1}", name)
    name = re.sub(r"layer\.(\d)\.convolution", lambda found: f"conv{int(found[1]) + 1}", name)
    name = re.sub(r"layer\.(\d)\.normalization", lambda found: f"bn{int(found[1]) + 1}", name)
    return name.replace("shortcut.convolution", "downsample.0").replace(
        "shortcut.normalization", "downsample.1"
    )


def detector(kind: str) -> DetrForObjectDetection:
    backbone = ResNetConfig(
        embedding_size=8,
        hidden_sizes=[16, 24, 32],
        depths=[1, 2, 1],
        layer_type=kind,
        out_features=["stage3"],
    )
    sizes = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 24))
    }
    config = DetrConfig(backbone_config=backbone, d_model=16, num_queries=6, num_labels=4, **sizes)
    model = seeded(DetrForObjectDetection(config))
    generator = torch.Generator().manual_seed(2)
    for name, statistic in model.named_buffers():
        if name.endswith(("weight", "running_var")):
            statistic.uniform_(0.5, 1.5, generator=generator)
        elif name.endswith(("bias", "running_mean")):
            statistic.normal_(0, 0.2, generator=generator)
    return model


def objects(outputs: object) -> torch.Tensor:
    """Score, label and box of the objects of all images, the surest of each image first."""
    found = DetrImageProcessorPil().post_process_object_detection(outputs, MINIMUM_SCORE, SIZES)
    rows = []
    for image in found:
        order = image["scores"].argsort(descending=True)
        parts = (image["scores"][:, None], image["labels"][:, None].float(), image["boxes"])
        rows.append(torch.cat(parts, dim=1)[order])
    return torch.cat(rows)


def reference(name: str, kind: str, *, padded: bool, timm: bool = False) -> Reference:
    model = detector(kind)
    pixels = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    mask = torch.ones(2, 64, 96, dtype=torch.int64)
    inputs = {"pixels": pixels}
    if padded:
        mask[1, 40:] = 0
        mask[1, :, 70:] = 0
        inputs["mask"] = mask
    outputs = model(pixels, mask)
    weights = checkpoint(model)
    if timm:
        weights = {to_timm(key): value for key, value in weights.items()}
    return Reference(
        name,
        "detr",
        model.config.to_dict(),
        weights,
        inputs,
        {"logits": outputs.logits, "boxes": outputs.pred_boxes, "objects": objects(outputs)},
        settings={"sizes": SIZES, "minimumScore": MINIMUM_SCORE},
    )


def references() -> list[Reference]:
    return [
        reference("detr", "bottleneck", padded=True),
        reference("detr-basic", "basic", padded=False),
        reference("detr-timm", "bottleneck", padded=False, timm=True),
    ]
