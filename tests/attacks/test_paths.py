"""Nothing outside the model's folder is read, however the model names it."""

import json
import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save

from ipfs_accelerate.errors import (
    IntegrityError,
    ModelFormatError,
    ModelReferenceError,
    UnsafeModelError,
)
from ipfs_accelerate.models import ModelRef, resolve
from ipfs_accelerate.models.manifest import MANIFEST_NAME

OUTSIDE = ["/etc/passwd", "../secret", "data/../../secret", "..", "C:\\secret", "..\\secret", ""]


def graph(location, *, length=24, in_subgraph=False):
    """An ONNX model whose only weight lies in another file."""
    weight = numpy_helper.from_array(np.zeros((2, 3), np.float32), "weight")
    onnx.external_data_helper.set_external_data(weight, location, offset=0, length=length)
    weight.ClearField("raw_data")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])
    if not in_subgraph:
        nodes = [helper.make_node("Add", ["x", "weight"], ["y"])]
        made = helper.make_graph(nodes, "g", [x], [y], [weight])
    else:
        constant = helper.make_node("Constant", [], ["c"], value=weight)
        nodes = [constant, helper.make_node("Add", ["x", "c"], ["y"])]
        made = helper.make_graph(nodes, "g", [x], [y])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(made, opset_imports=opset, ir_version=8).SerializeToString()


@pytest.fixture
def graphs(tmp_path):
    directory = tmp_path / "graphs"
    directory.mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 24)
    return directory


def test_external_data_inside_the_folder_is_part_of_the_model(graphs, settings):
    (graphs / "model.onnx").write_bytes(graph("weights.bytes"))
    (graphs / "weights.bytes").write_bytes(b"\0" * 24)

    artifact = resolve(graphs, settings=settings)

    assert [f.path for f in artifact.files] == ["model.onnx", "weights.bytes"]
    assert artifact.parameters == 6
    assert artifact.components["model"].inputs[0].shape == (2, 3)


@pytest.mark.parametrize("in_subgraph", [False, True])
@pytest.mark.parametrize("location", OUTSIDE)
def test_external_data_outside_the_folder_are_refused(graphs, settings, location, in_subgraph):
    (graphs / "model.onnx").write_bytes(graph(location, in_subgraph=in_subgraph))

    with pytest.raises(UnsafeModelError, match="is not a path inside"):
        resolve(graphs, settings=settings)
    with pytest.raises(UnsafeModelError, match="is not a path inside"):
        resolve(graphs / "model.onnx", settings=settings)


def test_external_data_through_a_link_are_refused(graphs, settings):
    (graphs / "model.onnx").write_bytes(graph("weights.bytes"))
    (graphs / "weights.bytes").symlink_to("../secret")

    with pytest.raises(UnsafeModelError, match="is a link to"):
        resolve(graphs, settings=settings)
    with pytest.raises(UnsafeModelError, match="is a link to"):
        resolve(graphs / "model.onnx", settings=settings)


def test_a_link_put_there_after_the_first_check_is_refused(graphs, settings):
    (graphs / "model.onnx").write_bytes(graph("weights.bytes"))
    (graphs / "weights.bytes").write_bytes(b"\0" * 24)
    resolve(graphs / "model.onnx", settings=settings)
    (graphs / "weights.bytes").unlink()
    (graphs / "weights.bytes").symlink_to("../secret")

    with pytest.raises(UnsafeModelError, match="is a link to"):
        resolve(graphs / "model.onnx", settings=settings)


@pytest.mark.parametrize(("length", "says"), [(24, "missing"), (24, "truncated")])
def test_external_data_that_are_not_whole_are_refused(graphs, settings, length, says):
    (graphs / "model.onnx").write_bytes(graph("weights.bytes", length=length))
    if says == "truncated":
        (graphs / "weights.bytes").write_bytes(b"\0" * 10)

    with pytest.raises(IntegrityError, match=says):
        resolve(graphs, settings=settings)


@pytest.mark.parametrize("content", [b"", b"\x08", b"not a graph", b"\x08\x07\x12\x00"])
def test_what_is_no_graph_is_refused(graphs, settings, content):
    (graphs / "model.onnx").write_bytes(content)

    with pytest.raises(ModelFormatError, match=r"model\.onnx"):
        resolve(graphs, settings=settings)


def test_a_graph_the_checker_rejects_is_refused(graphs, settings):
    model = onnx.load_from_string(graph("weights.bytes"))
    model.graph.node[0].input[0] = "nowhere"
    (graphs / "weights.bytes").write_bytes(b"\0" * 24)
    (graphs / "model.onnx").write_bytes(model.SerializeToString())

    with pytest.raises(ModelFormatError, match="rejected by the ONNX checker"):
        resolve(graphs, settings=settings)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.txt"])
def test_a_file_that_is_a_link_out_is_refused(folder, settings, tmp_path, name):
    (tmp_path / "secret").write_bytes(save({"weight": np.zeros(1, np.float32)}))
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "secret")

    with pytest.raises(UnsafeModelError, match="is a link to"):
        resolve(folder, settings=settings)


def test_a_folder_that_is_a_link_out_is_refused(folder, settings, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder / "sub").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UnsafeModelError, match="is a link to"):
        resolve(folder, settings=settings)


def test_a_pipe_in_the_folder_is_refused_without_being_opened(folder, settings):
    os.mkfifo(folder / "vocab.txt")

    with pytest.raises(UnsafeModelError, match="not a regular file"):
        resolve(folder, settings=settings)


def test_a_snapshot_of_the_hub_s_own_cache_may_link_to_its_blobs(folder, settings, tmp_path):
    repository = tmp_path / "models--org--name"
    snapshot = repository / "snapshots" / ("0" * 40)
    (repository / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).rename(repository / "blobs" / name)
        (snapshot / name).symlink_to(f"../../blobs/{name}")

    assert resolve(snapshot, settings=settings).parameters == 6
    (snapshot / "vocab.txt").symlink_to("../../../model")
    with pytest.raises(UnsafeModelError, match="is a link to"):
        resolve(snapshot, settings=settings)


@pytest.mark.parametrize("shard", OUTSIDE)
def test_an_index_that_names_shards_outside_is_refused(folder, settings, shard):
    index = {"weight_map": {"weight": shard}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(UnsafeModelError, match="is not a path inside"):
        resolve(folder, settings=settings)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a\\b"])
def test_a_manifest_that_names_files_outside_is_refused(folder, settings, path):
    manifest = {"schema": "ipfs-accelerate/manifest/1", "files": [{"path": path}]}
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))

    with pytest.raises(UnsafeModelError, match="outside its folder"):
        resolve(folder, settings=settings)


@pytest.mark.parametrize(
    "reference",
    [
        "hub://../../etc",
        "hub://org/..",
        "hub://org/name@../../main",
        "org/na\x00me",
        "s3://bucket/../../key",
        "ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi/../up",
        "random://../../etc",
        "random://bert?seed=0/../..",
        "https://example.org/model",
    ],
)
def test_references_that_climb_are_refused(reference):
    with pytest.raises(ModelReferenceError):
        ModelRef.parse(reference)
