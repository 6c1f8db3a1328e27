"""Gives a session the arrays it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.runtimes import Session

__all__ = ["Tensors", "feed"]

Tensors = dict[str, np.ndarray]


def feed(session: Session, tensors: Mapping[str, np.ndarray]) -> Tensors:
    """The arrays a session takes, in its dtypes.

    Raises:
        InputError: The graph takes an input this task does not make.
    """
    ready: Tensors = {}
    for spec in session.info.inputs:
        array = tensors.get(spec.name)
        if array is None:
            raise InputError(
                f"the model takes an input {spec.name!r} that this task does not make",
                hint="made: " + ", ".join(sorted(tensors)) + "; pass tensors instead",
            )
        ready[spec.name] = array.astype(spec.dtype, copy=False)
    return ready
