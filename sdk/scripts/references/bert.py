from __future__ import annotations

import torch
from case import Reference, checkpoint, seeded
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    MPNetConfig,
    MPNetForMaskedLM,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

SIZES = {
    "vocab_size": 40,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 32,
}
SMALL_BERT = BertConfig(**SIZES, num_labels=3)
SMALL_ROBERTA = RobertaConfig(**SIZES, num_labels=3, pad_token_id=1)
SMALL_XLM = XLMRobertaConfig(**SIZES, num_labels=3, pad_token_id=1, type_vocab_size=1)
SMALL_MPNET = MPNetConfig(**SIZES, pad_token_id=1)
SMALL_DISTIL = DistilBertConfig(
    vocab_size=40,
    dim=24,
    n_layers=2,
    n_heads=3,
    hidden_dim=40,
    max_position_embeddings=32,
    num_labels=3,
)


def batch(config: PreTrainedConfig) -> dict[str, torch.Tensor]:
    """Two rows, the second with padding at its end."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(4, 40, (2, 9), generator=generator)
    mask = torch.ones_like(ids)
    ids[1, 6:], mask[1, 6:] = config.pad_token_id or 0, 0
    return {"input_ids": ids, "attention_mask": mask}


def pooled(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """As sentence-transformers pools and normalizes."""
    wide = mask[:, :, None].float()
    mean = (states * wide).sum(1) / wide.sum(1).clamp(min=1e-9)
    return torch.nn.functional.normalize(mean, dim=1)


def reference(name: str, model: PreTrainedModel, **extra: torch.Tensor) -> Reference:
    inputs = batch(model.config) | extra
    outputs = seeded(model)(**inputs, output_hidden_states=True)
    states = outputs.hidden_states[-1]
    expected = {
        "encode": states,
        "mean": pooled(states, inputs["attention_mask"]),
        "cls": states[:, 0].contiguous(),
    }
    task = "fillMask" if name.endswith("masked") else "classify"
    if "logits" in outputs:
        expected[task] = outputs.logits
    names = {"input_ids": "ids", "attention_mask": "attentionMask", "token_type_ids": "tokenTypes"}
    return Reference(
        name,
        "bert",
        model.config.to_dict(),
        checkpoint(model),
        {names[key]: value for key, value in inputs.items()},
        expected,
    )


def references() -> list[Reference]:
    types = torch.tensor([[0] * 5 + [1] * 4, [0] * 3 + [1] * 6])
    return [
        reference("bert", BertModel(SMALL_BERT), token_type_ids=types),
        reference("bert-classifier", BertForSequenceClassification(SMALL_BERT)),
        reference("bert-masked", BertForMaskedLM(SMALL_BERT)),
        reference("roberta-classifier", RobertaForSequenceClassification(SMALL_ROBERTA)),
        reference("roberta-masked", RobertaForMaskedLM(SMALL_ROBERTA)),
        reference("xlm-roberta-classifier", XLMRobertaForSequenceClassification(SMALL_XLM)),
        reference("distilbert-classifier", DistilBertForSequenceClassification(SMALL_DISTIL)),
        reference("distilbert-masked", DistilBertForMaskedLM(SMALL_DISTIL)),
        reference("mpnet-masked", MPNetForMaskedLM(SMALL_MPNET)),
    ]
