"""Right outputs pass, wrong ones do not, whatever kind of wrong."""

from __future__ import annotations

import numpy as np
import pytest

from ipfs_accelerate.bench.parity import (
    LOWEST_COSINE,
    compare_outputs,
    load_outputs,
    save_outputs,
)
from ipfs_accelerate.errors import ParityError
from ipfs_accelerate.hardware import Precision

REFERENCE = {"y": np.random.default_rng(0).standard_normal((4, 8, 16)).astype(np.float32)}


def test_equal_outputs_are_right():
    found = compare_outputs(REFERENCE, REFERENCE, "fp32")
    assert found["ok"] is True
    assert found["max_abs"] == 0.0
    assert found["cosine"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        -REFERENCE["y"],
        REFERENCE["y"] * 1.5,
        REFERENCE["y"][::-1],
        np.zeros_like(REFERENCE["y"]),
        np.full_like(REFERENCE["y"], np.nan),
        np.where(REFERENCE["y"] > 2.5, np.inf, REFERENCE["y"]),
    ],
)
def test_wrong_outputs_are_wrong(wrong):
    assert compare_outputs({"y": wrong}, REFERENCE, "fp32")["ok"] is False


def test_noise_of_int8_passes_as_int8_and_not_as_fp32():
    noisy = REFERENCE["y"] + np.random.default_rng(1).normal(0, 0.1, REFERENCE["y"].shape)
    assert compare_outputs({"y": noisy}, REFERENCE, "int8")["ok"] is True
    assert compare_outputs({"y": noisy}, REFERENCE, "fp32")["ok"] is False


def test_what_a_model_makes_of_padding_does_not_count():
    mask = np.ones((4, 8), dtype=np.int64)
    mask[:, 5:] = 0
    changed = REFERENCE["y"].copy()
    changed[:, 5:] = 7.0
    assert compare_outputs({"y": changed}, REFERENCE, "fp32", mask=mask)["ok"] is True
    changed[0, 4] = 7.0
    assert compare_outputs({"y": changed}, REFERENCE, "fp32", mask=mask)["ok"] is False


def test_one_wrong_output_among_right_ones_is_wrong():
    reference = {**REFERENCE, "z": np.ones(3)}
    outputs = {**REFERENCE, "z": np.array([1.0, -1.0, 1.0])}
    assert compare_outputs(outputs, reference, "int8")["ok"] is False


@pytest.mark.parametrize("outputs", [{"other": REFERENCE["y"]}, {"y": REFERENCE["y"][:2]}, {}])
def test_what_cannot_be_compared_is_an_error(outputs):
    with pytest.raises(ParityError):
        compare_outputs(outputs, REFERENCE, "fp32")


def test_integers_and_zeros_are_compared_too():
    reference = {"ids": np.array([3, 1, 2]), "zero": np.zeros(3), "none": np.zeros((0, 4))}
    assert compare_outputs(reference, reference, "fp32")["ok"] is True
    changed = {**reference, "zero": np.array([0.0, 1.0, 0.0])}
    assert compare_outputs(changed, reference, "fp32")["ok"] is False


def test_every_precision_has_a_bound_that_falls_with_its_bits():
    assert set(LOWEST_COSINE) == {p.value for p in Precision}
    order = ["fp32", "tf32", "fp16", "bf16", "fp8", "int8", "int4", "int3", "int2", "binary"]
    bounds = [LOWEST_COSINE[name] for name in order]
    assert bounds == sorted(bounds, reverse=True)


def test_outputs_survive_the_disk(tmp_path):
    path = tmp_path / "deep" / "x.npz"
    save_outputs(path, {**REFERENCE, "words": np.array(["a"])})
    kept = load_outputs(path)
    assert list(kept) == ["y"]
    np.testing.assert_array_equal(kept["y"], REFERENCE["y"])
    assert [p.name for p in path.parent.iterdir()] == ["x.npz"]
