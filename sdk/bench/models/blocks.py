"""One layer of a transformer per model, in standard operators and in the forms that ONNX Runtime's own optimizers write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from graph import MICROSOFT, Graph

Built = tuple[Graph, str]
Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class Encoder:
    """A layer of BERT, ViT or Whisper's encoder."""

    name: str
    time: int
    size: int
    heads: int
    norms_first: bool
    names: tuple[str, ...]  # query, key, value, output, norm, up, down, norm
    key_bias: bool = True
    epsilon: float = 1e-5


BERT_NAMES = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
VIT_NAMES = (
    "attention.attention.query",
    "attention.attention.key",
    "attention.attention.value",
    "attention.output.dense",
    "layernorm_before",
    "intermediate.dense",
    "output.dense",
    "layernorm_after",
)
WHISPER_NAMES = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.out_proj",
    "self_attn_layer_norm",
    "fc1",
    "fc2",
    "final_layer_norm",
)
ENCODERS = (
    Encoder("bert_layer_128x384", 128, 384, 6, False, BERT_NAMES, epsilon=1e-12),
    Encoder("vit_layer_197x192", 197, 192, 3, True, VIT_NAMES, epsilon=1e-12),
    Encoder("vit_layer_197x384", 197, 384, 6, True, VIT_NAMES, epsilon=1e-12),
    Encoder("whisper_layer_300x384", 300, 384, 6, True, WHISPER_NAMES, key_bias=False),
)


class Layer:
    """A graph whose weights are those of a checkpoint: matrices are ``[out, in]`` there and transposed here."""

    def __init__(self, name: str) -> None:
        self.g = Graph(name)
        self.values: Values = {}

    def matrix(self, name: str, outputs: int, inputs: int) -> None:
        deviation = inputs**-0.5
        self.values[f"{name}.weight"] = self.g.normal(outputs, inputs, deviation=deviation)

    def vector(self, name: str, size: int, mean: float = 0.0) -> None:
        self.values[name] = self.g.normal(size, deviation=0.1, mean=mean)

    def own(self) -> None:
        """Every value, as the checkpoint has it, for our side."""
        for name, value in self.values.items():
            self.g.own(name, value)

    def vec(self, name: str) -> str:
        return self.g.hidden(self.values[name])

    def product(self, x: str, name: str) -> str:
        return self.g.node("MatMul", x, self.g.hidden(self.values[f"{name}.weight"].T.copy()))

    def linear(self, x: str, name: str) -> str:
        product = self.product(x, name)
        bias = f"{name}.bias"
        return self.g.node("Add", product, self.vec(bias)) if bias in self.values else product

    def reshape(self, x: str, *shape: int) -> str:
        return self.g.node("Reshape", x, self.g.hidden(np.array(shape, np.int64)))

    def scalar(self, value: float) -> str:
        return self.g.hidden(np.array(value, np.float32))


def encoder_layer(spec: Encoder, form: str) -> Built:
    layer = Layer(f"{spec.name}{form}")
    query, key, value, output, norm1, up, down, norm2 = spec.names
    size = spec.size
    x = layer.g.input("x", layer.g.normal(1, spec.time, size))
    for name in (query, key, value, output):
        layer.matrix(name, size, size)
        if name != key or spec.key_bias:
            layer.vector(f"{name}.bias", size)
    layer.matrix(up, 4 * size, size)
    layer.vector(f"{up}.bias", 4 * size)
    layer.matrix(down, size, 4 * size)
    layer.vector(f"{down}.bias", size)
    for name in (norm1, norm2):
        layer.vector(f"{name}.weight", size, mean=1.0)
        layer.vector(f"{name}.bias", size)
    layer.own()
    build = _plain_encoder if form == "" else _fused_encoder
    return layer.g, build(layer, spec, x, form)


def _norm(layer: Layer, spec: Encoder, x: str, name: str) -> str:
    scale, bias = layer.vec(f"{name}.weight"), layer.vec(f"{name}.bias")
    return layer.g.node("LayerNormalization", x, scale, bias, epsilon=spec.epsilon)


def _plain_encoder(layer: Layer, spec: Encoder, x: str, _: str) -> str:
    g = layer.g
    query, key, value, output, norm1, up, down, norm2 = spec.names
    depth = spec.size // spec.heads

    def half(x: str, norm: str, body) -> str:  # noqa: ANN001
        if spec.norms_first:
            return g.node("Add", x, body(_norm(layer, spec, x, norm)))
        return _norm(layer, spec, g.node("Add", x, body(x)), norm)

    def attend(x: str) -> str:
        def split(name: str, *axes: int) -> str:
            rows = layer.reshape(layer.linear(x, name), 1, spec.time, spec.heads, depth)
            return g.node("Transpose", rows, perm=axes)

        scores = g.node("MatMul", split(query, 0, 2, 1, 3), split(key, 0, 2, 3, 1))
        weights = g.node("Softmax", g.node("Mul", scores, layer.scalar(depth**-0.5)), axis=-1)
        mixed = g.node("MatMul", weights, split(value, 0, 2, 1, 3))
        merged = layer.reshape(g.node("Transpose", mixed, perm=(0, 2, 1, 3)), 1, spec.time, spec.size)
        return layer.linear(merged, output)

    attended = half(x, norm1, attend)
    return half(attended, norm2, lambda y: layer.linear(g.node("Gelu", layer.linear(y, up)), down))


def _fused_encoder(layer: Layer, spec: Encoder, x: str, form: str) -> str:
    """``.heads``: MultiHeadAttention of three products; ``.packed``: Attention with one product of all three."""
    g, values = layer.g, layer.values
    query, key, value, output, norm1, up, down, norm2 = spec.names
    normed = _norm(layer, spec, x, norm1) if spec.norms_first else x
    none = np.zeros(spec.size, np.float32)
    bias = g.hidden(np.concatenate([values.get(f"{n}.bias", none) for n in (query, key, value)]))
    settings = {"domain": MICROSOFT, "num_heads": spec.heads}
    if form == ".packed":
        three = np.concatenate([values[f"{n}.weight"].T for n in (query, key, value)], axis=1)
        attended = g.node("Attention", normed, g.hidden(three), bias, **settings)
    else:
        products = [layer.product(normed, name) for name in (query, key, value)]
        attended = g.node("MultiHeadAttention", *products, bias, **settings)

    def skip(x: str, product: str, norm: str, linear: str) -> str:
        parts = (layer.vec(f"{norm}.weight"), layer.vec(f"{norm}.bias"), layer.vec(f"{linear}.bias"))
        return g.node(
            "SkipLayerNormalization", x, product, *parts, domain=MICROSOFT, outputs=4, epsilon=spec.epsilon
        )

    def inner(x: str) -> str:
        raised = g.node("BiasGelu", layer.product(x, up), layer.vec(f"{up}.bias"), domain=MICROSOFT)
        return layer.product(raised, down)

    projected = layer.product(attended, output)
    if spec.norms_first:
        middle = skip(x, projected, norm2, output)
        return g.node("Add", g.node("Add", inner(middle), layer.vec(f"{down}.bias")), f"{middle}.3")
    middle = skip(x, projected, norm1, output)
    return skip(middle, inner(middle), norm2, down)


@dataclass(frozen=True)
class Decoder:
    """A layer of LLaMA; keys and values of ``past`` positions are there already."""

    name: str
    time: int
    past: int
    size: int = 768
    inner: int = 2048
    heads: int = 12
    shared: int = 4
    depth: int = 64
    epsilon: float = 1e-5


DECODERS = (Decoder("llama_prefill_32x768", 32, 0), Decoder("llama_decode_128x768", 1, 128))


def decoder_layer(spec: Decoder, form: str) -> Built:
    layer = Layer(f"{spec.name}{form}")
    g = layer.g
    x = g.input("x", g.normal(spec.time, spec.size))
    rows = {"q_proj": spec.heads, "k_proj": spec.shared, "v_proj": spec.shared}
    for name, heads in rows.items():
        layer.matrix(f"self_attn.{name}", heads * spec.depth, spec.size)
    layer.matrix("self_attn.o_proj", spec.size, spec.heads * spec.depth)
    for name in ("gate_proj", "up_proj"):
        layer.matrix(f"mlp.{name}", spec.inner, spec.size)
    layer.matrix("mlp.down_proj", spec.size, spec.inner)
    for name in ("input_layernorm", "post_attention_layernorm"):
        layer.vector(f"{name}.weight", spec.size, mean=1.0)
    for name in ("past_keys", "past_values"):
        if spec.past:
            layer.values[name] = g.normal(1, spec.shared, spec.past, spec.depth)
    layer.own()
    if form == "":
        return g, _plain_decoder(layer, spec, x)
    return g, _fused_decoder(layer, spec, x)


def _angles(spec: Decoder) -> np.ndarray:
    """Source: Su et al., "RoFormer", equation 15."""
    frequencies = 10000.0 ** (-2 * np.arange(spec.depth // 2) / spec.depth)
    return np.outer(np.arange(spec.past + spec.time), frequencies)


def _gated(layer: Layer, x: str) -> str:
    g = layer.g
    gate = layer.product(x, "mlp.gate_proj")
    active = g.node("Mul", gate, g.node("Sigmoid", gate))
    return layer.product(g.node("Mul", active, layer.product(x, "mlp.up_proj")), "mlp.down_proj")


def _plain_decoder(layer: Layer, spec: Decoder, x: str) -> str:
    g = layer.g

    def rms(x: str, name: str) -> str:
        square = g.node("Pow", x, layer.scalar(2))
        mean = g.node("ReduceMean", square, g.hidden(np.array([-1], np.int64)))
        root = g.node("Sqrt", g.node("Add", mean, layer.scalar(spec.epsilon)))
        return g.node("Mul", g.node("Div", x, root), layer.vec(f"{name}.weight"))

    def split(x: str, name: str, heads: int) -> str:
        rows = layer.reshape(layer.product(x, f"self_attn.{name}"), 1, spec.time, heads, spec.depth)
        return g.node("Transpose", rows, perm=(0, 2, 1, 3))

    angles = np.tile(_angles(spec)[spec.past :], 2).astype(np.float32)
    cosines, sines = g.hidden(np.cos(angles)), g.hidden(np.sin(angles))

    def rotate(x: str) -> str:
        left = g.node("Split", x, outputs=2, axis=-1, num_outputs=2)
        turned = g.node("Concat", g.node("Neg", f"{left}.1"), left, axis=-1)
        return g.node("Add", g.node("Mul", x, cosines), g.node("Mul", turned, sines))

    def extend(x: str, name: str) -> str:
        whole = g.node("Concat", layer.vec(name), x, axis=2) if spec.past else x
        g.result(whole)
        return whole

    def repeat(x: str) -> str:
        time, shares = spec.past + spec.time, spec.heads // spec.shared
        apart = layer.reshape(x, 1, spec.shared, 1, time, spec.depth)
        shape = g.hidden(np.array([1, spec.shared, shares, time, spec.depth], np.int64))
        return layer.reshape(g.node("Expand", apart, shape), 1, spec.heads, time, spec.depth)

    normed = rms(x, "input_layernorm")
    queries = rotate(split(normed, "q_proj", spec.heads))
    keys = extend(rotate(split(normed, "k_proj", spec.shared)), "past_keys")
    values = extend(split(normed, "v_proj", spec.shared), "past_values")
    scores = g.node("MatMul", queries, g.node("Transpose", repeat(keys), perm=(0, 1, 3, 2)))
    scores = g.node("Mul", scores, layer.scalar(spec.depth**-0.5))
    if spec.time > 1:
        hidden = np.triu(np.full((spec.time, spec.time), -1e9, np.float32), 1)
        scores = g.node("Add", scores, g.hidden(hidden))
    mixed = g.node("MatMul", g.node("Softmax", scores, axis=-1), repeat(values))
    merged = layer.reshape(g.node("Transpose", mixed, perm=(0, 2, 1, 3)), spec.time, -1)
    middle = g.node("Add", x, layer.product(merged, "self_attn.o_proj"))
    return g.node("Add", middle, _gated(layer, rms(middle, "post_attention_layernorm")))


def _fused_decoder(layer: Layer, spec: Decoder, x: str) -> str:
    """With GroupQueryAttention, which rotates and extends by itself."""
    g = layer.g
    epsilon = {"epsilon": spec.epsilon}
    scale = layer.vec("input_layernorm.weight")
    normed = g.node("SimplifiedLayerNormalization", x, scale, axis=-1, **epsilon)
    rows = [
        layer.reshape(layer.product(normed, f"self_attn.{name}"), 1, spec.time, -1)
        for name in ("q_proj", "k_proj", "v_proj")
    ]
    past = [layer.vec(name) if spec.past else "" for name in ("past_keys", "past_values")]
    total = spec.past + spec.time
    lengths = [g.hidden(np.array([total - 1], np.int32)), g.hidden(np.array(total, np.int32))]
    angles = _angles(spec)
    tables = [g.hidden(fn(angles).astype(np.float32)) for fn in (np.cos, np.sin)]
    heads = {"num_heads": spec.heads, "kv_num_heads": spec.shared, "do_rotary": 1}
    attended = g.node(
        "GroupQueryAttention", *rows, *past, *lengths, *tables, domain=MICROSOFT, outputs=3, **heads
    )
    g.result(f"{attended}.1")
    g.result(f"{attended}.2")
    projected = layer.product(layer.reshape(attended, spec.time, -1), "self_attn.o_proj")
    middle = g.node(
        "SkipSimplifiedLayerNormalization",
        x,
        projected,
        layer.vec("post_attention_layernorm.weight"),
        domain=MICROSOFT,
        outputs=4,
        **epsilon,
    )
    return g.node("Add", f"{middle}.3", _gated(layer, middle))


def models() -> Iterator[Built]:
    for encoder in ENCODERS:
        for form in ("", ".heads", ".packed"):
            yield encoder_layer(encoder, form)
    for decoder in DECODERS:
        for form in ("", ".group"):
            yield decoder_layer(decoder, form)
