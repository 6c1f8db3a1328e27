"""What is fetched of a hub repository: what a model needs, and nothing that can run code."""

import pytest

from ipfs_accelerate.errors import IntegrityError, UnsafeModelError
from ipfs_accelerate.models.hub_selection import select_files

ENCODER = [
    ".gitattributes", "README.md", "config.json", "tokenizer.json", "vocab.txt", "modules.json",
    "1_Pooling/config.json", "2_Dense/model.safetensors", "model.safetensors",
    "pytorch_model.bin", "tf_model.h5", "rust_model.ot", "train_script.py", "coreml/model.mlmodel",
    "onnx/model.onnx", "onnx/model_O3.onnx", "onnx/model_qint8_avx512.onnx", "openvino/model.xml",
]  # fmt: skip


def test_an_encoder_comes_with_its_parts_and_its_plain_graph():
    assert select_files("org/encoder", ENCODER) == [
        "1_Pooling/config.json",
        "2_Dense/model.safetensors",
        "config.json",
        "model.safetensors",
        "modules.json",
        "onnx/model.onnx",
        "tokenizer.json",
        "vocab.txt",
    ]


def test_all_shards_come_and_a_second_copy_of_the_weights_does_not():
    chosen = select_files(
        "org/llm",
        [
            "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
            "model.safetensors.index.json", "consolidated.safetensors", "original/model.pth",
            "pytorch_model.bin.index.json",
        ],
    )  # fmt: skip

    assert chosen == [
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ]


def test_graphs_come_with_their_external_data_and_without_quantized_variants():
    chosen = select_files(
        "org/graphs",
        [
            "onnx/decoder_model.onnx", "onnx/encoder_model.onnx", "onnx/encoder_model.onnx_data",
            "onnx/encoder_model_fp16.onnx", "onnx/encoder_model_fp16.onnx_data",
            "onnx/decoder_model_q4.onnx", "config.json",
        ],
    )  # fmt: skip

    assert chosen == [
        "config.json",
        "onnx/decoder_model.onnx",
        "onnx/encoder_model.onnx",
        "onnx/encoder_model.onnx_data",
    ]


def test_pickles_come_only_when_allowed_and_alone():
    pickled = ["config.json", "pytorch_model.bin", "training_args.bin", "optimizer.pt"]

    with pytest.raises(UnsafeModelError, match="only pickled weights"):
        select_files("org/old", pickled)
    assert select_files("org/old", pickled, allow_pickle=True) == [
        "config.json",
        "pytorch_model.bin",
    ]
    both = select_files("org/new", [*pickled, "model.safetensors"], allow_pickle=True)
    assert both == ["config.json", "model.safetensors"]


def test_no_weights_at_all_are_an_error_that_lists_what_is_there():
    with pytest.raises(IntegrityError, match="no safetensors or ONNX") as caught:
        select_files("org/data", ["README.md", "train.csv"])

    assert caught.value.details["files"] == ["README.md", "train.csv"]


@pytest.mark.parametrize("path", ["../x.json", "/x.json", "a/../../x.json", "a\\x.json", ""])
def test_a_path_that_leaves_the_repository_is_refused(path):
    with pytest.raises(UnsafeModelError, match="outside the repository"):
        select_files("org/evil", ["model.safetensors", path])
