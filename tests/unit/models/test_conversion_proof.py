"""What an export loses, and what it computes wrongly, is refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx import TensorProto, helper

from ipfs_accelerate.errors import (
    ConversionError,
    ModelFormatError,
    ParityError,
    UnsafeModelError,
)
from ipfs_accelerate.models import TensorSpec
from ipfs_accelerate.models.conversion.ensure import _answer
from ipfs_accelerate.models.conversion.recipes import Tolerance

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs("torch", "transformers")

X = TensorSpec("x", "float32", ("batch", "sequence"))
MASK = TensorSpec("mask", "float32", ("batch", "sequence"))
Y = TensorSpec("y", "float32", ("batch", "sequence"))


def add(path: Path, *, dims: list[object], uses_mask: bool = True) -> Path:
    second = "mask" if uses_mask else "x"
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["s0", "s1"])
        for name in ("x", "mask")
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, dims)]
    nodes = [helper.make_node("Add", ["x", second], ["y"])]
    path.write_bytes(
        helper.make_model(helper.make_graph(nodes, "g", inputs, outputs)).SerializeToString()
    )
    return path


def test_dynamic_dimensions_get_the_names_of_the_specs(tmp_path: Path) -> None:
    from ipfs_accelerate.models.conversion import read_component
    from ipfs_accelerate.models.conversion._export import _name_dimensions

    path = add(tmp_path / "m.onnx", dims=["s0", "s1"])
    _name_dimensions(path, [X, MASK], [Y])
    component = read_component(path, name="model")
    assert (component.inputs, component.outputs) == ((X, MASK), (Y,))


def test_an_unused_input_is_refused(tmp_path: Path) -> None:
    from ipfs_accelerate.models.conversion._export import _name_dimensions

    path = add(tmp_path / "m.onnx", dims=["s0", "s1"], uses_mask=False)
    with pytest.raises(ConversionError, match=r"lost inputs.*mask"):
        _name_dimensions(path, [X, MASK], [Y])


def test_a_missing_input_is_refused(tmp_path: Path) -> None:
    from ipfs_accelerate.models.conversion._export import _name_dimensions

    path = add(tmp_path / "m.onnx", dims=["s0", "s1"])
    extra = TensorSpec("positions", "int64", ("batch",))
    with pytest.raises(ConversionError, match="positions"):
        _name_dimensions(path, [X, MASK, extra], [Y])


def test_a_frozen_dimension_is_refused(tmp_path: Path) -> None:
    from ipfs_accelerate.models.conversion._export import _name_dimensions

    path = add(tmp_path / "m.onnx", dims=["s0", 7])
    with pytest.raises(ConversionError, match="froze 'sequence'"):
        _name_dimensions(path, [X, MASK], [Y])


def compare(found: list[float], expected: list[float]) -> dict[str, object]:
    from ipfs_accelerate.models.conversion._parity import Differences

    differences = Differences(Tolerance(absolute=1e-3, relative=0.0))
    differences.add("case", "model/y", np.array(found), np.array(expected))
    outputs = differences.report()["outputs"]
    assert isinstance(outputs, dict)
    row = outputs["model/y"]
    assert isinstance(row, dict)
    return row


def test_differences_within_the_tolerance_are_stated() -> None:
    row = compare([1.0, 0.5], [1.0, 0.5005])
    assert row["max_abs"] == pytest.approx(5e-4)
    assert row["max_rel"] == pytest.approx(5e-4 / 0.5005)
    assert row["cosine"] == pytest.approx(1.0, abs=1e-6)
    assert row["passed"] is True


def test_differences_beyond_the_tolerance_are_a_parity_error() -> None:
    with pytest.raises(ParityError, match=r"'model/y' differs from PyTorch by 0\.002 on 'case'"):
        compare([1.0], [1.002])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_a_parity_error(value: float) -> None:
    with pytest.raises(ParityError, match="non-finite"):
        compare([value], [1.0])


def test_another_shape_is_a_parity_error() -> None:
    with pytest.raises(ParityError, match="shape"):
        compare([1.0, 2.0], [1.0])


def test_other_tokens_are_refused_unless_the_choice_was_a_tie() -> None:
    from ipfs_accelerate.models.conversion._generation import _refuse_other_tokens

    logits = np.array([[[1.0, 0.999999, 0.0]]])
    found = np.array([[0]])
    _refuse_other_tokens(found, np.array([[1]]), logits, 1e-4)
    with pytest.raises(ParityError, match="is 0 instead of 2"):
        _refuse_other_tokens(found, np.array([[2]]), logits, 1e-4)


def test_pickled_weights_are_never_loaded(tmp_path: Path) -> None:
    from ipfs_accelerate.models.conversion.source import SourceModel

    config = {"model_type": "bert", "architectures": ["BertModel"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UnsafeModelError, match="no safetensors"):
        SourceModel(tmp_path, dtype="fp32")


def test_truncated_weights_are_refused(tmp_path: Path) -> None:
    from ipfs_accelerate.models import random_weights
    from ipfs_accelerate.models.conversion.source import SourceModel

    made = random_weights.create("bert", seed=0, size="tiny", directory=tmp_path / "m")
    weights = made / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelFormatError, match="cannot load"):
        SourceModel(made, dtype="fp32")


def test_a_killed_child_is_a_conversion_error_with_its_last_words() -> None:
    code = (
        "import os,sys; print('last words', file=sys.stderr, flush=True); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    with pytest.raises(ConversionError, match=f"signal {signal.SIGKILL:d}") as caught:
        _answer(ended, "m")
    assert "memory" in str(caught.value)
    assert "last words" in str(caught.value.details["stderr_tail"])
