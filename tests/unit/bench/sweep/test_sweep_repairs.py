"""What a model complains of says what it wants."""

import pytest

from ipfs_accelerate.bench.sweep.repairs import Repair, repairs

IMAGE = {"pixel_values": (2, 3, 64, 64)}


@pytest.mark.parametrize(
    ("shapes", "message", "wanted"),
    [
        (
            {"visual_feats": (2, 8, 24)},
            "mat1 and mat2 shapes cannot be multiplied (16x24 and 64x24)",
            Repair("visual_feats", (2, 8, 64)),
        ),
        (  # two of the columns are taken off before the product
            {"flattened_patches": (2, 8, 48)},
            "mat1 and mat2 shapes cannot be multiplied (16x46 and 48x48)",
            Repair("flattened_patches", (2, 8, 50)),
        ),
        (
            IMAGE,
            "mat1 and mat2 shapes cannot be multiplied (384x64 and 588x96)",
            Repair("pixel_values", (16, 588)),
        ),
        (
            IMAGE,
            "weight of size [8, 1, 3, 3], expected input[2, 3, 64, 64] to have 1 channels, but got"
            " 3 channels instead",
            Repair("pixel_values", (2, 1, 64, 64)),
        ),
        (
            IMAGE,
            "Input image size (64*64) doesn't match model (32*128).",
            Repair("pixel_values", (2, 3, 32, 128)),
        ),
        (
            IMAGE,
            "not enough values to unpack (expected 5, got 4)",
            Repair("pixel_values", (1, 2, 3, 64, 64)),
        ),
        (
            {"pixel_values": (2, 2, 3, 8, 8)},
            "too many values to unpack (expected 4)",
            Repair("pixel_values", (2, 3, 8, 8)),
        ),
        (
            {"hidden_states": (2, 8, 24)},
            "The size of tensor a (8) must match the size of tensor b (64) at non-singleton"
            " dimension 1",
            Repair("hidden_states", (2, 64, 24)),
        ),
        (
            {"input_values": (2, 4000)},
            "`input_values` length 4000 is not a multiple of 96.",
            Repair("input_values", (2, 4032)),
        ),
        (
            {"image_tokens": (2, 16)},
            "Expected `image_tokens` to have shape `(batch_size, 1024)`, but got [2, 16]",
            Repair("image_tokens", (2, 1024)),
        ),
        (
            {"index": (2, 8)},
            "tensors used as indices must be long, int, byte or bool tensors",
            Repair("index", (2, 8), "int"),
        ),
    ],
)
def test_the_shapes_of_a_complaint_become_a_repair(shapes, message, wanted):
    assert wanted in repairs(shapes, message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "'NoneType' object is not iterable",
        "mat1 and mat2 shapes cannot be multiplied (1x1 and 999999999x1)",
        "tensor a (0) must match the size of tensor b (0)",
    ],
)
def test_what_says_nothing_useful_or_wants_too_much_repairs_nothing(message):
    assert repairs({"x": (2, 8, 1)}, message) == []


def test_a_repair_changes_something_and_is_proposed_once():
    found = repairs({"x": (2, 8, 8)}, "tensor a (8) must match the size of tensor b (9)")
    assert len(found) == len(set(found))
    assert all(r.shape != (2, 8, 8) for r in found)
