from __future__ import annotations

import pytest

from ipfs_accelerate.models.kinds import choose, kinds_of


def test_the_files_of_a_model_are_placed() -> None:
    paths = ["model.safetensors", "config.json", "tokenizer.model", "vocab.txt", "README.md",
             "LICENSE", "onnx/model.onnx", "onnx/model.onnx_data", "1_P/config.json"]  # fmt: skip
    assert choose(kinds_of(paths)).placed == tuple(sorted(paths))


@pytest.mark.parametrize(
    "path",
    ["pytorch_model.bin", "a.pt", "a.pkl", "a.npy", "modeling.py", "x.so", "run.sh", ".git/config",
     "data.parquet", "sub/.hidden.json", "noname"],
)  # fmt: skip
def test_everything_else_is_left_out_with_a_reason(path: str) -> None:
    found = choose(kinds_of([path, "model.safetensors"]))
    assert found.placed == ("model.safetensors",)
    assert found.left_out[path]


def test_pickles_are_placed_when_that_is_allowed_and_code_never_is() -> None:
    found = choose(kinds_of(["pytorch_model.bin", "modeling.py"]), allow_pickle=True)
    assert found.placed == ("pytorch_model.bin",)


def test_a_stated_kind_does_not_make_a_pickle_harmless() -> None:
    stated = {"weights.bin": "safetensors", "evil.py": "config", "x.pkl": "onnx_data"}
    assert choose(stated).placed == ()


def test_external_data_may_have_any_harmless_name() -> None:
    stated = {"model.onnx": "onnx", "weights": "onnx_data", ".weights": "onnx_data", "other": None}
    assert choose(stated).placed == ("model.onnx", "weights")


def test_the_weights_of_an_openvino_graph_are_no_pickle() -> None:
    assert kinds_of(["a.xml", "a.bin", "b.bin"])["a.bin"] == "openvino"
    assert kinds_of(["a.xml", "a.bin", "b.bin"])["b.bin"] == "pytorch_bin"
