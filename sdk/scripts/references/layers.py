from __future__ import annotations

import torch
from case import Reference, seeded


class Layers(torch.nn.Module):
    def __init__(self, vocabulary: int, size: int) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(vocabulary, size)
        self.linear = torch.nn.Linear(size, size)
        self.norm = torch.nn.LayerNorm(size)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.norm(torch.nn.functional.gelu(self.linear(self.table(ids))))


def references() -> list[Reference]:
    model = seeded(Layers(17, 24))
    ids = torch.arange(10).reshape(2, 5)
    config = {"vocab_size": 17, "hidden_size": 24}
    return [
        Reference(
            "layers", "layers", config, model.state_dict(), {"ids": ids}, {"output": model(ids)}
        )
    ]
