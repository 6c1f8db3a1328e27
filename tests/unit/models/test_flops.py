"""Counted work equals work computed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ipfs_accelerate.errors import InputError, ModelFormatError
from ipfs_accelerate.models.flops import count_work

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN, INNER, LAYERS, TOKENS = 768, 3072, 12, 128


def tensor(name: str, shape: list[object], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def absent(name: str, dims: list[int]) -> onnx.TensorProto:
    """A weight whose values lie elsewhere: only its shape is here."""
    weight = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=dims)
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="elsewhere.bin")
    return weight


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[str],
    weights: list[onnx.TensorProto] | None = None,
) -> Path:
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph(nodes, "test", inputs, results, initializer=weights or [])
    domains = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=domains)
    path.write_bytes(model.SerializeToString())
    return path


def bert_base(path: Path) -> Path:
    """The matrix products and attention of BERT-base, without the values of its weights."""
    nodes, weights, x = [], [], "x"

    def product(left: str, name: str, rows: int, columns: int) -> str:
        weights.append(absent(name, [rows, columns]))
        nodes.append(helper.make_node("MatMul", [left, name], [f"{name}_out"]))
        return f"{name}_out"

    for n in range(LAYERS):
        q, k, v = (product(x, f"{part}{n}", HIDDEN, HIDDEN) for part in "qkv")
        nodes.append(
            helper.make_node("Attention", [q, k, v], [f"a{n}"], q_num_heads=12, kv_num_heads=12)
        )
        x = product(f"a{n}", f"o{n}", HIDDEN, HIDDEN)
        x = product(product(x, f"up{n}", HIDDEN, INNER), f"down{n}", INNER, HIDDEN)
    return save(path, nodes, [tensor("x", ["batch", "sequence", HIDDEN])], [x], weights)


def test_bert_base_is_two_per_parameter_and_token_plus_attention(tmp_path: Path) -> None:
    parameters = LAYERS * (4 * HIDDEN**2 + 2 * HIDDEN * INNER)
    work = count_work(bert_base(tmp_path / "m.onnx"), {"x": (1, TOKENS, HIDDEN)})
    softmax = 5 * 12 * TOKENS**2
    attention = LAYERS * (4 * TOKENS**2 * HIDDEN + softmax)
    assert parameters == 84_934_656
    assert work.by_op["MatMul"] == 2 * parameters * TOKENS == 21_743_271_936
    assert work.by_op["Attention"] == attention
    assert work.flops == 2 * parameters * TOKENS + attention
    assert work.weight_bytes == 4 * parameters
    assert work.is_complete


def test_work_of_products_grows_with_the_batch_and_weights_do_not(tmp_path: Path) -> None:
    path = bert_base(tmp_path / "m.onnx")
    one, eight = (count_work(path, {"x": (b, TOKENS, HIDDEN)}) for b in (1, 8))
    assert eight.flops == 8 * one.flops
    assert eight.activation_bytes == 8 * one.activation_bytes
    assert eight.weight_bytes == one.weight_bytes


def test_the_first_convolution_of_resnet_50(tmp_path: Path) -> None:
    """7×7 over 3 channels, stride 2, 64 filters: 112·112·64 results of 147 products each."""
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[3, 3, 3, 3])
    image = [tensor("x", ["batch", 3, "height", "width"])]
    path = save(tmp_path / "m.onnx", [node], image, ["y"], [absent("w", [64, 3, 7, 7])])
    work = count_work(path, {"x": (1, 3, 224, 224)})
    assert work.flops == 2 * 112 * 112 * 64 * 147 == 236_027_904
    assert work.activation_bytes == 112 * 112 * 64 * 4


def test_grouped_convolution_counts_only_its_own_channels_and_its_bias(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], group=32, pads=[1, 1, 1, 1])
    weights = [absent("w", [32, 1, 3, 3]), absent("b", [32])]
    path = save(tmp_path / "m.onnx", [node], [tensor("x", [1, 32, 8, 8])], ["y"], weights)
    assert count_work(path, {"x": (1, 32, 8, 8)}).flops == 32 * 64 * (2 * 9 + 1)


def test_attention_counts_the_cached_keys(tmp_path: Path) -> None:
    heads, width, past = 4, 8, 10
    shape = ["b", heads, "s", width]
    cached = ["b", heads, "p", width]
    inputs = [tensor(n, shape) for n in "qkv"] + [tensor(n, cached) for n in ("pk", "pv")]
    node = helper.make_node("Attention", ["q", "k", "v", "", "pk", "pv"], ["y", "nk", "nv"])
    path = save(tmp_path / "m.onnx", [node], inputs, ["y", "nk", "nv"])
    new, old = (2, heads, 1, width), (2, heads, past, width)
    work = count_work(path, {"q": new, "k": new, "v": new, "pk": old, "pv": old})
    pairs = 2 * heads * 1 * (past + 1)
    assert work.flops == pairs * (4 * width + 5)


@pytest.mark.parametrize(("transposed", "shape"), [(0, (4, 6)), (1, (6, 4))])
def test_gemm_counts_the_inner_size_and_the_bias(
    transposed: int, shape: tuple[int, int], tmp_path: Path
) -> None:
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transA=transposed)
    weights = [absent("w", [6, 5]), absent("b", [5])]
    path = save(tmp_path / "m.onnx", [node], [tensor("x", list(shape))], ["y"], weights)
    assert count_work(path, {"x": shape}).flops == 2 * 4 * 5 * 6 + 4 * 5


def test_four_bit_products_count_as_products_and_half_a_byte(tmp_path: Path) -> None:
    node = helper.make_node(
        "MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=64, N=16, bits=4,
        block_size=32,
    )  # fmt: skip
    packed = TensorProto(name="w", data_type=TensorProto.UINT8, dims=[16, 2, 16])
    packed.data_location = TensorProto.EXTERNAL
    path = save(
        tmp_path / "m.onnx", [node], [tensor("x", [3, 64])], ["y"], [packed, absent("s", [32])]
    )
    work = count_work(path, {"x": (3, 64)})
    assert work.flops == 2 * 3 * 16 * 64
    assert work.weight_bytes == 16 * 64 // 2 + 32 * 4


def test_integer_products_count_like_others(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node("MatMulInteger", ["q", "w", "zero"], ["y"]),
    ]
    weight = onnx.numpy_helper.from_array(np.zeros((8, 4), np.int8), "w")
    path = save(tmp_path / "m.onnx", nodes, [tensor("x", [2, 8])], ["y"], [weight])
    work = count_work(path, {"x": (2, 8)})
    assert work.by_op["MatMulInteger"] == 2 * 2 * 8 * 4
    assert work.weight_bytes == 32


def test_shapes_that_the_graph_computes_are_followed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["batch"], start=0, end=1),
        helper.make_node("Concat", ["batch", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    rest = onnx.numpy_helper.from_array(np.array([12], np.int64), "rest")
    inputs = [tensor("x", ["batch", 3, 4])]
    path = save(tmp_path / "m.onnx", nodes, inputs, ["y"], [rest, absent("w", [12, 5])])
    work = count_work(path, {"x": (7, 3, 4)})
    assert work.flops == 2 * 7 * 12 * 5
    assert work.is_complete


def test_what_cannot_be_told_is_named_not_guessed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Cast", ["places"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["w", "floats"], ["y"]),
    ]
    path = save(tmp_path / "m.onnx", nodes, [tensor("x", [4, 4])], ["y"], [absent("w", [2, 2])])
    work = count_work(path, {"x": (4, 4)})
    assert not work.is_complete
    assert work.unknown_ops["MatMul"] == 1
    assert work.flops == 0


@pytest.mark.parametrize("shapes", [{}, {"x": (1, 4), "z": (1,)}, {"x": (1, 5)}, {"x": (1, 4, 1)}])
def test_shapes_that_do_not_fit_are_refused(
    shapes: dict[str, tuple[int, ...]], tmp_path: Path
) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    path = save(tmp_path / "m.onnx", [node], [tensor("x", ["batch", 4])], ["y"])
    with pytest.raises(InputError, match=r"x|z"):
        count_work(path, shapes)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07"])
def test_a_file_that_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelFormatError, match=r"m\.onnx"):
        count_work(tmp_path / "m.onnx", {})
