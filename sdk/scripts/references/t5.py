from __future__ import annotations

import torch
from case import Reference, seeded
from transformers import T5Config, T5ForConditionalGeneration

SIZES = {
    "vocab_size": 120,
    "d_model": 32,
    "d_kv": 12,
    "d_ff": 40,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 3,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 12,
    "decoder_start_token_id": 0,
    "pad_token_id": 0,
    "eos_token_id": None,
}
SOURCE = [7, 40, 3, 99, 100, 17, 58, 61, 2, 83, 33, 21, 90, 54, 45, 77, 66, 1]
NEW_TOKENS = 32


def answered(name: str, *, has_own_head: bool = False, **changes: object) -> Reference:
    """Encoder states, logits of a teacher-forced target and greedy tokens."""
    model = seeded(T5ForConditionalGeneration(T5Config(**SIZES, **changes)), deviation=0.3)
    if has_own_head:
        model.lm_head.weight = torch.nn.Parameter(model.shared.weight.flip(0).clone())
    ids = torch.tensor([SOURCE])
    # The first token is the start token itself.
    tokens = model.generate(ids, max_new_tokens=NEW_TOKENS, do_sample=False, use_cache=False)
    logits = model(input_ids=ids, decoder_input_ids=tokens[:, :9]).logits[0, -1:]
    expected = {
        "states": model.encoder(ids).last_hidden_state,
        "logits": logits,
        "tokens": tokens[0, 1:],
    }
    inputs = {"ids": ids[0], "target": tokens[0, :9]}
    return Reference(name, "t5", model.config.to_dict(), model.state_dict(), inputs, expected)


def references() -> list[Reference]:
    return [
        answered("t5"),
        answered(
            "t5-gated-untied",
            has_own_head=True,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
        ),
    ]
