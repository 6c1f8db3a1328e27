"""One operation per model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from graph import MICROSOFT, Graph

Built = tuple[Graph, str]
GROUP = 32


def matmul(name: str, m: int, k: int, n: int) -> Built:
    g = Graph(name)
    return g, g.node("MatMul", g.input("x", g.normal(m, k)), g.weight("w", g.normal(k, n)))


def linear_gelu(name: str, m: int, k: int, n: int) -> Built:
    g = Graph(name)
    x = g.input("x", g.normal(m, k))
    y = g.node(
        "Gemm",
        x,
        g.weight("w", g.normal(n, k, deviation=0.05)),
        g.weight("b", g.normal(n)),
        transB=1,
    )
    return g, g.node("Gelu", y)


def matmul_bits(name: str, bits: int, m: int, k: int, n: int) -> Built:
    """Packed alike on both sides: the lowest bits first."""
    g = Graph(name)
    x = g.input("x", g.normal(m, k))
    packed = g.integers(0, 256, n, k // GROUP, GROUP * bits // 8).astype(np.uint8)
    own = packed.reshape(n, -1).view(np.int32)
    w = g.weight("w", packed, own)
    scales = g.weight("scales", np.abs(g.normal(n, k // GROUP, deviation=0.02)) + np.float32(0.005))
    settings = {"K": k, "N": n, "bits": bits, "block_size": GROUP, "accuracy_level": 4}
    return g, g.node("MatMulNBits", x, w, scales, domain=MICROSOFT, **settings)


def conv(name: str, x: tuple[int, ...], w: tuple[int, ...], stride: int, pad: int) -> Built:
    g = Graph(name)
    axes = len(x) - 2
    parts = (
        g.input("x", g.normal(*x)),
        g.weight("w", g.normal(*w, deviation=0.05)),
        g.weight("b", g.normal(w[0])),
    )
    return g, g.node("Conv", *parts, strides=[stride] * axes, pads=[pad] * 2 * axes)


def unary(name: str, op: str, *shape: int, **attributes) -> Built:
    g = Graph(name)
    return g, g.node(op, g.input("x", g.normal(*shape)), **attributes)


def layer_norm(name: str, *shape: int) -> Built:
    g = Graph(name)
    x = g.input("x", g.normal(*shape))
    scale, bias = g.weight("scale", g.normal(shape[-1])), g.weight("bias", g.normal(shape[-1]))
    return g, g.node("LayerNormalization", x, scale, bias, epsilon=1e-5)


def add(name: str, left: tuple[int, ...], right: tuple[int, ...]) -> Built:
    g = Graph(name)
    return g, g.node("Add", g.input("x", g.normal(*left)), g.input("y", g.normal(*right)))


def mean(name: str, *shape: int) -> Built:
    g = Graph(name)
    x = g.input("x", g.normal(*shape))
    return g, g.node("ReduceMean", x, g.hidden(np.array([-1], np.int64)), keepdims=0)


def gather(name: str, rows: int, width: int, count: int) -> Built:
    g = Graph(name)
    table = g.weight("table", g.normal(rows, width))
    return g, g.node("Gather", table, g.input("ids", g.integers(0, rows, count)))


def attention(name: str, heads: int, time: int, keys: int, depth: int) -> Built:
    """Projected queries, keys and values, `[B, T, H·D]` as they come from the projections."""
    g = Graph(name)
    q = g.input("q", g.normal(1, time, heads * depth))
    k, v = (g.input(part, g.normal(1, keys, heads * depth)) for part in "kv")
    return g, g.node("MultiHeadAttention", q, k, v, domain=MICROSOFT, num_heads=heads)


def models() -> Iterator[Built]:
    for size in (128, 256, 384):
        yield matmul(f"matmul_{size}", size, size, size)
    yield matmul("matmul_128x384x384", 128, 384, 384)
    yield matmul("matmul_128x384x1536", 128, 384, 1536)
    yield matmul("matvec_1024", 1, 1024, 1024)
    yield matmul("matvec_2048", 1, 2048, 2048)
    yield linear_gelu("linear_gelu_128x384x1536", 128, 384, 1536)
    for bits in (2, 4, 8):
        yield matmul_bits(f"matvec_{bits}bit_2048", bits, 1, 2048, 2048)
        yield matmul_bits(f"matmul_{bits}bit_32x1024x1024", bits, 32, 1024, 1024)
    yield conv("conv_vit_patch", (1, 3, 224, 224), (384, 3, 16, 16), 16, 0)
    yield conv("conv_resnet_3x3_28", (1, 128, 28, 28), (128, 128, 3, 3), 1, 1)
    yield conv("conv_whisper_1d", (1, 80, 200), (384, 80, 3), 1, 1)
    yield unary("softmax_768x128", "Softmax", 768, 128, axis=-1)
    yield unary("softmax_32x4096", "Softmax", 32, 4096, axis=-1)
    yield layer_norm("layer_norm_128x384", 1, 128, 384)
    yield layer_norm("layer_norm_512x768", 1, 512, 768)
    yield unary("gelu_128x1536", "Gelu", 128, 1536)
    yield add("add_bias_128x1536", (128, 1536), (1536,))
    yield add("add_128x1536", (128, 1536), (128, 1536))
    yield attention("attention_6x128x64", 6, 128, 128, 64)
    yield attention("attention_8x1x512x64", 8, 1, 512, 64)
    yield mean("mean_512x768", 512, 768)
    yield gather("gather_8000x384", 8000, 384, 128)
    yield unary("transpose_128x6x64", "Transpose", 1, 128, 6, 64, perm=[0, 2, 1, 3])
    yield unary("transpose_512x768", "Transpose", 512, 768, perm=[1, 0])
