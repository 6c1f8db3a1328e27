"""Kinds of operators in the groups that figures show."""

from __future__ import annotations

from ipfs_accelerate.bench.profiling import OpKind

__all__ = ["GROUPS", "GROUP_OF", "block_of"]

# One colour and one marker per group of kinds, told apart with colour-vision deficiencies too.
# Source: Okabe, Ito (2008), Color Universal Design.
GROUPS: dict[str, tuple[str, str, tuple[OpKind, ...]]] = {
    "matmul": ("#56B4E9", "circle", (OpKind.MATMUL,)),
    "attention": ("#E69F00", "diamond", (OpKind.ATTENTION,)),
    "convolution": ("#F0E442", "square", (OpKind.CONVOLUTION,)),
    "normalization, reduction": (
        "#009E73", "triangle-up", (OpKind.NORMALIZATION, OpKind.REDUCTION),
    ),
    "activation, elementwise": ("#CC79A7", "cross", (OpKind.ACTIVATION, OpKind.ELEMENTWISE)),
    "copy, gather, quantize": (
        "#D55E00", "x", (OpKind.COPY, OpKind.EMBEDDING, OpKind.QUANTIZATION),
    ),
    "other": ("#999999", "star", (OpKind.CONTROL, OpKind.OTHER)),
}  # fmt: skip
GROUP_OF = {kind: name for name, (_, _, kinds) in GROUPS.items() for kind in kinds}


def block_of(layer: str | None) -> str:
    """A layer up to its last number, the block that models repeat; else its first two parts."""
    if layer is None:
        return "no layer told"
    parts = layer.split(".")
    numbered = [n for n, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: numbered[-1] + 1 if numbered else 2])
