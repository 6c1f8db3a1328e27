from __future__ import annotations

import inspect
import re

import pytest

from ipfs_accelerate import errors


def all_types() -> list[type[errors.AccelerateError]]:
    return list(errors.error_types().values())


def test_every_class_of_the_module_has_a_code_of_its_own() -> None:
    classes = {
        c
        for _, c in inspect.getmembers(errors, inspect.isclass)
        if issubclass(c, errors.AccelerateError)
    }
    assert set(all_types()) == classes
    assert len({c.code for c in classes}) == len(classes)


def test_the_tree_drawn_in_the_docstring_is_the_real_one() -> None:
    drawn = set(re.findall(r"\b(\w+Error)\b", errors.__doc__ or ""))
    assert drawn == {c.__name__ for c in all_types()}


def test_all_names_are_exported() -> None:
    assert {c.__name__ for c in all_types()} <= set(errors.__all__)


def test_machine_form_carries_code_message_hint_and_details() -> None:
    error = errors.IntegrityError("a.bin is 3 bytes", hint="fetch it again", details={"size": 3})
    assert error.to_dict() == {
        "code": "integrity",
        "category": "data",
        "recovery": "refetch",
        "message": "a.bin is 3 bytes",
        "hint": "fetch it again",
        "details": {"size": 3},
    }
    assert str(error) == "a.bin is 3 bytes (fetch it again)"


def test_unknown_name_suggests_the_nearest() -> None:
    error = errors.UnknownTargetError(
        "onnxruntime/cpu/int9", ["onnxruntime/cpu/int8", "torch/cpu/fp32"]
    )
    assert error.hint is not None
    assert "'onnxruntime/cpu/int8'" in error.hint
    assert error.category.exit_code == 2


def test_missing_extra_prints_the_install_command() -> None:
    error = errors.MissingExtraError("torch", needed_for="conversion")
    assert error.hint == "pip install 'ipfs-accelerate[torch]'"
    assert error.category.exit_code == 3


@pytest.mark.parametrize("category", list(errors.Category))
def test_every_category_has_an_exit_code(category: errors.Category) -> None:
    assert category.exit_code in {1, 2, 3, 4}
