"""Answers the conformance cases with PyTorch in double precision, independently of the SDK.

    python torch_reference.py cases.json expected.json

A case is ``{op, inputs, attributes, epilogue}``, an input ``{dtype, shape, values}`` or null; an answer is a list of
``{shape, values}``.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812

INTEGERS = {"i32": (-(2**31), 2**31 - 1), "u32": (0, 2**32 - 1), "i8": (-128, 127), "u8": (0, 255)}


def tensor(case: dict | None) -> torch.Tensor | None:
    if case is None:
        return None
    kind = torch.float64
    if case["dtype"] == "bool":
        kind = torch.bool
    elif case["dtype"] in INTEGERS:
        kind = torch.int64
    return torch.tensor(case["values"], dtype=kind).reshape(case["shape"])


# Element-wise programs


def cast(x: torch.Tensor, to: str) -> torch.Tensor:
    if to == "bool":
        return x != 0
    if to == "f16":
        return x.to(torch.float16).double()
    return x.double().trunc().clamp(*INTEGERS[to]).long() if to in INTEGERS else x.double()


def divide(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


ELEMENT = {
    "relu": F.relu,
    "gelu": F.gelu,
    "geluTanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "softplus": F.softplus,
    "min": torch.minimum,
    "max": torch.maximum,
    "div": divide,
    "not": torch.logical_not,
    "and": torch.logical_and,
    "or": torch.logical_or,
}


def program(spec: dict, inputs: list[torch.Tensor]) -> torch.Tensor:
    values = [*inputs, *spec["constants"]]
    for step in spec["steps"]:
        operands = [values[i] for i in step["args"]]
        like = next(o for o in reversed(operands) if isinstance(o, torch.Tensor))
        operands = [
            o if isinstance(o, torch.Tensor) else torch.tensor(o, dtype=like.dtype)
            for o in operands
        ]
        if step["fn"] == "cast":
            values.append(cast(operands[0], step["to"]))
        else:
            function = ELEMENT.get(step["fn"]) or getattr(torch, step["fn"])
            values.append(function(*operands))
    return torch.broadcast_to(values[-1], torch.broadcast_shapes(*(i.shape for i in inputs)))


# The generator: PCG-RXS-M-XS-32 as a hash (Jarzynski and Olano, 2020)


def pcg(value: int) -> int:
    state = (value * 747796405 + 2891336453) % 2**32
    word = (((state >> ((state >> 28) + 4)) ^ state) * 277803737) % 2**32
    return (word >> 22) ^ word


def uniform(seed: int, position: int) -> float:
    return (pcg((position + pcg(seed)) % 2**32) >> 8) * 2.0**-24


def normal(seed: int, i: int) -> float:
    radius = math.sqrt(-2 * math.log(1 - uniform(seed, 2 * i)))
    return radius * math.cos(2 * math.pi * uniform(seed, 2 * i + 1))


def random(at: dict) -> torch.Tensor:
    a, b, seed = at["a"], at["b"], at["seed"]
    count = math.prod(at["shape"])
    if at["distribution"] == "uniform":
        numbers = [a + (b - a) * uniform(seed, i) for i in range(count)]
    else:
        numbers = [a + b * normal(seed, i) for i in range(count)]
    return torch.tensor(numbers, dtype=torch.float64).reshape(at["shape"])


# Low bits: one integer of Python per row holds its bits


def unpack(words: torch.Tensor, count: int, bits: int) -> torch.Tensor:
    rows = []
    for row in words.reshape(-1, words.shape[-1]).tolist():
        stream = sum(word << (32 * i) for i, word in enumerate(row))
        rows.append([(stream >> (bits * i)) % 2**bits for i in range(count)])
    return torch.tensor(rows).reshape(*words.shape[:-1], count)


def pack(values: torch.Tensor, bits: int) -> torch.Tensor:
    words = math.ceil(values.shape[-1] * bits / 32)
    rows = []
    for row in values.reshape(-1, values.shape[-1]).tolist():
        stream = sum(int(value) << (bits * i) for i, value in enumerate(row))
        rows.append([(stream >> (32 * i)) % 2**32 for i in range(words)])
    return torch.tensor(rows).reshape(*values.shape[:-1], words)


def dequantize(packed, scales, zeros, at: dict) -> torch.Tensor:
    length, size, bits = at["length"], at["groupSize"], at["bits"]
    groups = -(-length // size)
    zero = (
        torch.full(scales.shape, 2 ** (bits - 1)) if zeros is None else unpack(zeros, groups, bits)
    )
    spread = [z.repeat_interleave(size, -1)[..., :length] for z in (scales, zero)]
    return spread[0] * (unpack(packed, length, bits) - spread[1])


def quantize(x: torch.Tensor, at: dict) -> list[torch.Tensor]:
    bits, size, middle = at["bits"], at["groupSize"], 2 ** (at["bits"] - 1)
    kind = torch.float16 if at["scaleType"] == "f16" else torch.float32
    integers, scales, zeros = [], [], []
    for group in x.split(size, -1):
        low, high = group.amin(-1).clamp(max=0), group.amax(-1).clamp(min=0)
        steps = middle - 1 if at["isSymmetric"] else 2**bits - 1
        span = torch.maximum(-low, high) if at["isSymmetric"] else high - low
        scale = (span / steps).to(kind).double()
        zero = (
            torch.full_like(scale, middle)
            if at["isSymmetric"]
            else (-low / scale).round().clamp(0, steps)
        )
        integers.append(
            ((group / scale[..., None]).round() + zero[..., None]).clamp(0, 2**bits - 1)
        )
        scales.append(scale)
        zeros.append(zero)
    result = [pack(torch.cat(integers, -1), bits), torch.stack(scales, -1)]
    return result if at["isSymmetric"] else [*result, pack(torch.stack(zeros, -1), bits)]


# Attention and choice


def attend(q, k, v, mask, at: dict) -> torch.Tensor:
    time, keys = q.shape[-2], k.shape[-2]
    k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
    bias = torch.zeros(q.shape[0], q.shape[1], time, keys, dtype=torch.float64)
    if at["isCausal"]:
        bias = bias.masked_fill(
            ~torch.ones(time, keys, dtype=torch.bool).tril(keys - time), -torch.inf
        )
    if mask is not None:
        bias = bias.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else bias + mask
    weights = torch.softmax(q @ k.mT * at["scale"] + bias, -1)
    return torch.nan_to_num(weights, nan=0.0) @ v


def quantized_attention(inputs: list, at: dict) -> torch.Tensor:
    q, kp, ks, kz, vp, vs, vz, mask = (*inputs, None)[:8]
    parts = {**at, "length": q.shape[-1]}
    return attend(q, dequantize(kp, ks, kz, parts), dequantize(vp, vs, vz, parts), mask, at)


def rope(x, cos, sin, at: dict) -> torch.Tensor:
    rotated = 2 * cos.shape[-1]
    cos, sin = (t[:, None] if t.dim() == 3 else t for t in (cos, sin))
    turned, rest = x[..., :rotated], x[..., rotated:]
    if at["isInterleaved"]:
        pairs = torch.view_as_complex(turned.reshape(*turned.shape[:-1], -1, 2).contiguous())
        return torch.cat(
            [torch.view_as_real(pairs * torch.complex(cos, sin)).flatten(-2), rest], -1
        )
    a, b = turned.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], -1)


def sample(logits: torch.Tensor, at: dict) -> torch.Tensor:
    chosen = []
    for row, values in enumerate(logits):
        order = torch.sort(values, descending=True, stable=True).indices
        order = order[: at["topK"] or len(order)]
        if at["temperature"] == 0:
            chosen.append(order[0])
            continue
        probabilities = torch.softmax(values[order] / at["temperature"], 0)
        before = probabilities.cumsum(0) - probabilities
        kept = probabilities[: max(1, int((before < at["topP"]).sum()))]
        threshold = uniform(at["seed"], at["step"] * len(logits) + row) * kept.sum()
        chosen.append(order[min(int((kept.cumsum(0) <= threshold).sum()), len(kept) - 1)])
    return torch.tensor([int(c) for c in chosen])


# Everything else is PyTorch's own


def pad(x: torch.Tensor, at: dict) -> torch.Tensor:
    if at["mode"] == "constant":
        return F.pad(x, [n for pair in reversed(at["padding"]) for n in pair], value=at["value"])
    mode = "replicate" if at["mode"] == "edge" else "reflect"
    return F.pad(x[None], list(at["padding"][-1]), mode=mode)[0]


def windows(x: torch.Tensor, at: dict, value: float = 0.0) -> torch.Tensor:
    return F.pad(x, [n for pair in reversed(at["padding"]) for n in pair], value=value)


def conv(x, weight, bias, at: dict) -> torch.Tensor:
    function = F.conv1d if x.dim() == 3 else F.conv2d
    return function(windows(x, at), weight, bias, at["stride"], 0, at["dilation"], at["groups"])


def pool(x: torch.Tensor, at: dict) -> torch.Tensor:
    if at["kind"] == "max":
        function = F.max_pool1d if x.dim() == 3 else F.max_pool2d
        return function(windows(x, at, -torch.inf), at["size"], at["stride"])
    function = F.avg_pool1d if x.dim() == 3 else F.avg_pool2d
    padding = [before for before, _ in at["padding"]]
    return function(x, at["size"], at["stride"], padding, count_include_pad=at["countsPadding"])


def reduce(x: torch.Tensor, at: dict) -> torch.Tensor:
    axes, keep = at["axes"], at["keepsAxes"]
    if at["fn"] in ("argmax", "argmin"):
        return getattr(torch, at["fn"])(x, dim=axes[0], keepdim=keep)
    if at["fn"] == "prod":
        for axis in sorted(axes, reverse=True):
            x = x.prod(axis, keepdim=keep)
        return x
    names = {"max": "amax", "min": "amin"}
    return getattr(torch, names.get(at["fn"], at["fn"]))(x, dim=axes, keepdim=keep)


def gather(x, indices, at: dict) -> torch.Tensor:
    flat = x.index_select(at["axis"], indices.flatten())
    return flat.reshape(*x.shape[: at["axis"]], *indices.shape, *x.shape[at["axis"] + 1 :])


def layer_norm(x, scale, bias, residual, at: dict) -> list[torch.Tensor]:
    total = x if residual is None else x + residual
    normed = F.layer_norm(total, total.shape[-1:], scale, bias, at["epsilon"])
    return [normed] if residual is None else [normed, total]


def rms_norm(x, scale, residual, at: dict) -> list[torch.Tensor]:
    total = x if residual is None else x + residual
    normed = F.rms_norm(total, total.shape[-1:], scale, at["epsilon"])
    return [normed] if residual is None else [normed, total]


def matmul(a, b, at: dict) -> torch.Tensor:
    return (a.mT if at["transposeA"] else a) @ (b.mT if at["transposeB"] else b)


def optional(inputs: list, count: int) -> list:
    return (inputs + [None] * count)[:count]


OPS = {
    "fill": lambda _, at: torch.full(at["shape"], at["value"], dtype=torch.float64),
    "range": lambda _, at: at["start"] + at["step"] * torch.arange(at["length"]),
    "random": lambda _, at: random(at),
    "copy": lambda i, _: i[0],
    "map": lambda i, at: program(at["program"], i),
    "gather": lambda i, at: gather(*i, at),
    "concat": lambda i, at: torch.cat(i, at["axis"]),
    "pad": lambda i, at: pad(i[0], at),
    "reduce": lambda i, at: reduce(i[0], at),
    "softmax": lambda i, at: (F.log_softmax if at["isLog"] else F.softmax)(i[0], at["axis"]),
    "layerNorm": lambda i, at: layer_norm(*optional(i, 4), at),
    "rmsNorm": lambda i, at: rms_norm(*optional(i, 3), at),
    "batchNorm": lambda i, at: F.batch_norm(*optional(i, 5), eps=at["epsilon"]),
    "groupNorm": lambda i, at: F.group_norm(i[0], at["groups"], *optional(i[1:], 2), at["epsilon"]),
    "matmul": lambda i, at: matmul(*i, at),
    "conv": lambda i, at: conv(*optional(i, 3), at),
    "pool": lambda i, at: pool(i[0], at),
    "quantize": lambda i, at: quantize(i[0], at),
    "dequantize": lambda i, at: dequantize(*optional(i, 3), at),
    "quantizedMatmul": lambda i, at: i[0] @ dequantize(*optional(i[1:], 3), at).mT,
    "rope": lambda i, at: rope(*i, at),
    "attention": lambda i, at: attend(*optional(i, 4), at),
    "quantizedAttention": quantized_attention,
    "topK": lambda i, at: [
        t[..., : at["k"]] for t in torch.sort(i[0], descending=True, stable=True)
    ],
    "sample": lambda i, at: sample(i[0], at),
}


def answer(case: dict) -> list[dict]:
    result = OPS[case["op"]]([tensor(i) for i in case["inputs"]], case["attributes"])
    results = result if isinstance(result, list) else [result]
    if case["epilogue"]:
        own = [tensor(i) for i in case["epilogue"]["inputs"]]
        results[0] = program(case["epilogue"]["program"], [results[0], *own])
    return [{"shape": list(r.shape), "values": r.double().flatten().tolist()} for r in results]


if __name__ == "__main__":
    cases = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps([answer(case) for case in cases]))
