"""Operators of every runtime share one vocabulary and one way of counting."""

import pytest

from ipfs_accelerate.bench.profiling import OpKind, kind_of
from ipfs_accelerate.bench.profiling.work import work_of_operator
from ipfs_accelerate.models.flops import count_nodes, count_work
from ipfs_accelerate.runtimes import OpTiming
from ipfs_accelerate.testing.conformance.models import onnx_artifact


def timing(op_type, inputs, outputs=None, **rest):
    return OpTiming("n", op_type, "cpu", (1000,), inputs=inputs, outputs=outputs, **rest)


def f32(*shape):
    return ("float32", shape)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("MatMul", "FullyConnected", "linear", "aten::addmm", "MatMulIntegerToFloat"), "matmul"),
        (("Attention", "_scaled_dot_product_flash_attention_for_cpu"), "attention"),
        (("FusedConv", "Convolution", "conv2d"), "convolution"),
        (("MVN", "SkipLayerNormalization", "aten::native_layer_norm"), "normalization"),
        (("BiasGelu", "gelu", "Softmax", "_softmax"), "activation"),
        (("MulAdd", "aten::add", "Add", "Eltwise"), "elementwise"),
        (("Gather", "embedding", "index_select"), "embedding/gather"),
        (("Reorder", "Transpose", "aten::_to_copy", "ShapeOf"), "reshape/copy"),
        (("DynamicQuantizeLinear", "FakeQuantize"), "quantize/dequantize"),
        (("If", "Loop"), "control"),
        (("NeverHeardOf", "Subgraph"), "other"),
    ],
)
def test_every_runtime_spells_the_same_kinds(names, kind):
    assert {kind_of(name) for name in names} == {OpKind(kind)}


def test_a_product_counts_alike_from_outputs_and_from_inputs_alone():
    with_bias = (f32(1, 128, 384), f32(1536, 384), f32(1536))
    openvino = timing("FullyConnected", with_bias, (f32(1, 128, 1536),))
    torch = timing("linear", with_bias)
    expected = 2 * 128 * 384 * 1536 + 128 * 1536
    assert work_of_operator(openvino).flops == expected
    assert work_of_operator(torch).flops == expected
    assert work_of_operator(torch) == work_of_operator(openvino)


def test_a_square_weight_is_multiplied_all_the_same():
    found = work_of_operator(timing("linear", (f32(2, 8, 16), f32(16, 16), f32(16))))
    assert found.flops == 2 * 16 * 16 * 16 + 2 * 8 * 16


def test_an_embedding_reads_only_the_rows_it_looks_up():
    found = work_of_operator(timing("embedding", (f32(30000, 384), ("int64", (1, 128)))))
    assert found.flops == 0
    assert found.moved_bytes == 2 * 128 * 384 * 4 + 128 * 8


def test_views_move_nothing():
    assert work_of_operator(timing("view", (f32(4, 4),))).moved_bytes == 0


@pytest.mark.parametrize("op_type", ["NeverHeardOf", "topk"])
def test_an_unknown_operator_has_a_reason_instead_of_a_number(op_type):
    found = work_of_operator(timing(op_type, (f32(4, 4),)))
    assert found.flops is None
    assert op_type in str(found.reason)


def test_missing_shapes_are_a_reason():
    found = work_of_operator(OpTiming("n", "MatMul", "cpu", (1,)))
    assert found.flops is None
    assert "shapes" in str(found.reason)


def test_several_calls_are_added_up():
    inputs, outputs = (f32(2, 3), f32(3, 4)), (f32(2, 4),)
    once, twice = (timing("MatMul", inputs, outputs, calls=n) for n in (1, 2))
    assert work_of_operator(twice).flops == 2 * (work_of_operator(once).flops or 0) > 0


def test_nodes_of_a_graph_add_up_to_its_work(tmp_path):
    artifact = onnx_artifact(tmp_path / "model")
    path = artifact.components["model"].path
    shapes = {"hidden": (2, 5, 64), "scale": (1,)}
    nodes = count_nodes(path, shapes)
    total = count_work(path, shapes)
    assert sum(node.flops or 0 for node in nodes.values()) == total.flops > 0
    assert all(node.inputs is not None and node.outputs is not None for node in nodes.values())
