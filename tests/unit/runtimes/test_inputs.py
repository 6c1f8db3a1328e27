"""Inputs are checked before a runtime sees them."""

import numpy as np
import pytest

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.models import TensorSpec
from ipfs_accelerate.runtimes._inputs import InputCheck

SPECS = (
    TensorSpec("ids", "int64", ("batch", "sequence")),
    TensorSpec("scale", "float32", (1,)),
)


@pytest.fixture
def check():
    return InputCheck(SPECS)


@pytest.fixture
def inputs():
    return {"scale": np.ones(1, np.float32), "ids": np.zeros((2, 3), np.int64)}


def test_arrays_come_in_the_order_of_the_graph(check, inputs):
    ids, scale = check(inputs)
    assert ids is inputs["ids"]
    assert scale is inputs["scale"]


def test_only_strided_arrays_are_copied(check, inputs):
    inputs["ids"] = np.zeros((3, 2), np.int64).T
    ids, _ = check(inputs)
    assert ids.flags.c_contiguous
    assert not np.shares_memory(ids, inputs["ids"])


def test_missing_and_unknown_names_are_both_told(check, inputs):
    inputs["id"] = inputs.pop("ids")
    with pytest.raises(InputError, match="missing \\['ids'\\], unknown \\['id'\\]") as caught:
        check(inputs)
    assert "['ids', 'scale']" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ids", np.zeros((2, 3), np.int32), "dtype int32, the model takes int64"),
        ("ids", np.zeros((2, 3), ">i8"), "dtype >i8"),
        ("ids", np.zeros(3, np.int64), "shape \\[3\\], the model takes \\['batch', 'sequence'\\]"),
        ("scale", np.zeros(2, np.float32), "shape \\[2\\], the model takes \\[1\\]"),
        ("ids", [[1, 2]], "is a list"),
        ("ids", None, "is a NoneType"),
    ],
)
def test_what_does_not_fit_is_named(check, inputs, name, value, message):
    with pytest.raises(InputError, match=message):
        check({**inputs, name: value})


def test_an_extra_name_is_refused(check, inputs):
    with pytest.raises(InputError, match="unknown \\['more'\\]"):
        check({**inputs, "more": np.zeros(1)})
