"""Checking the inputs of a run; compiled once per session, a few microseconds per call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.models import TensorSpec

__all__ = ["InputCheck"]


class InputCheck:
    """Refuses inputs that do not fit, and puts the others in the order of the graph.

    Args:
        specs: Inputs of the component, in the order of its graph.
    """

    def __init__(self, specs: Sequence[TensorSpec]) -> None:
        self._specs = tuple(specs)
        self._count = len(self._specs)
        self._rows = tuple(
            (
                spec.name,
                np.dtype(spec.dtype),
                len(spec.shape),
                tuple(
                    (axis, size) for axis, size in enumerate(spec.shape) if isinstance(size, int)
                ),
            )
            for spec in self._specs
        )

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Arrays in the order of the graph, C-contiguous (copied only where they are not).

        Raises:
            InputError: A name is missing or unknown, or dtype, rank or a fixed size does not fit.
        """
        if len(inputs) != self._count:
            raise self._wrong_names(inputs)
        fitting = []
        for name, dtype, rank, fixed in self._rows:
            if name not in inputs:
                raise self._wrong_names(inputs)
            array = inputs[name]
            if type(array) is not np.ndarray and not isinstance(array, np.ndarray):
                raise _not_an_array(name, dtype, array)
            if array.dtype is not dtype and array.dtype != dtype:
                raise InputError(
                    f"input {name!r} has dtype {array.dtype}, the model takes {dtype.name}",
                    hint=f"convert it with .astype({dtype.name!r})",
                )
            shape = array.shape
            if len(shape) != rank:
                raise self._wrong_shape(name, shape)
            for axis, size in fixed:
                if shape[axis] != size:
                    raise self._wrong_shape(name, shape)
            fitting.append(array if array.flags.c_contiguous else np.ascontiguousarray(array))
        return fitting

    def _wrong_shape(self, name: str, shape: tuple[int, ...]) -> InputError:
        wanted = next(spec.shape for spec in self._specs if spec.name == name)
        return InputError(
            f"input {name!r} has shape {list(shape)}, the model takes {list(wanted)}",
            details={"input": name, "shape": list(shape), "expected": list(wanted)},
        )

    def _wrong_names(self, inputs: Mapping[str, np.ndarray]) -> InputError:
        names = [spec.name for spec in self._specs]
        missing = [n for n in names if n not in inputs]
        unknown = sorted(n for n in inputs if n not in names)
        parts = [f"missing {missing}"] if missing else []
        parts += [f"unknown {unknown}"] if unknown else []
        return InputError(
            "the inputs do not fit the model: " + ", ".join(parts),
            hint=f"the model takes {names}",
            details={"missing": missing, "unknown": unknown},
        )


def _not_an_array(name: str, dtype: np.dtype, value: object) -> InputError:
    return InputError(
        f"input {name!r} is a {type(value).__name__}, not a NumPy array",
        hint=f"pass numpy.asarray(…, dtype={dtype.name!r})",
    )
