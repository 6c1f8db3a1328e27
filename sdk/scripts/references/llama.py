from __future__ import annotations

import torch
from case import Reference, seeded
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

SIZES = {
    "vocab_size": 160,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": None,
    "eos_token_id": None,
}
PROMPT = [3, 141, 59, 26, 53, 58, 97, 93, 23, 84, 62]
NEW_TOKENS = 64


def generated(name: str, model: PreTrainedModel, family: str = "llama") -> Reference:
    """What a decoder answers to a prompt: logits of every position, and greedy tokens after it."""
    seeded(model)
    ids = torch.tensor([PROMPT])
    tokens = model.generate(ids, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0)
    expected = {"logits": model(ids).logits[0], "tokens": tokens[0, len(PROMPT) :]}
    config = model.config.to_dict()
    return Reference(name, family, config, model.state_dict(), {"ids": ids[0]}, expected)


def references() -> list[Reference]:
    llama3 = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }
    linear = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}
    return [
        generated("llama", LlamaForCausalLM(LlamaConfig(**SIZES))),
        generated(
            "llama-tied-llama3-rope",
            LlamaForCausalLM(
                LlamaConfig(
                    **SIZES,
                    tie_word_embeddings=True,
                    attention_bias=True,
                    mlp_bias=True,
                    rope_parameters={**llama3, "rope_theta": 500000.0},
                )
            ),
        ),
        generated(
            "llama-linear-rope", LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=linear))
        ),
        generated(
            "mistral-window", MistralForCausalLM(MistralConfig(**SIZES, sliding_window=8))
        ),
        generated("qwen2", Qwen2ForCausalLM(Qwen2Config(**SIZES))),
        generated("qwen3", Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=16))),
    ]
