"""Arguments changed by what a model complains of: the shapes in its message say what it wants."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Shape = tuple[int, ...]
    Shapes = Mapping[str, Shape]

__all__ = ["Repair", "repairs"]

_LARGEST = 4_000_000  # elements: more would not be a tiny input


@dataclass(frozen=True, slots=True)
class Repair:
    """An argument made anew.

    Attributes:
        name: Which.
        shape: Its shape.
        kind: ``float``, ``int``, ``bool``, ``small`` for values from 0 to 1, or ``None`` for what
            it has.
    """

    name: str
    shape: tuple[int, ...]
    kind: str | None = None


def repairs(shapes: Shapes, message: str) -> list[Repair]:
    """What may help, likely ones first.

    Args:
        shapes: Of the arguments of the call that failed.
        message: Of the error.
    """
    found: list[Repair] = []
    for pattern, propose in _RULES:
        match = re.search(pattern, message, re.DOTALL)
        if match:
            found += propose(shapes, match)
    small = (r for r in found if 0 < math.prod(s or 1 for s in r.shape) < _LARGEST)
    new = (r for r in small if r.kind or r.shape != shapes[r.name])
    return list(dict.fromkeys(new))


def _product(shapes: Shapes, found: re.Match[str]) -> Iterator[Repair]:
    """A linear layer takes ``wanted`` features and got ``given``."""
    given, wanted = int(found[1]), int(found[2])
    yield from _last(shapes, given, wanted)
    for name, shape in shapes.items():
        if len(shape) >= 3:
            yield Repair(name, (*shape[:-2], shape[-2], wanted))
        if len(shape) >= 4:  # an image where its patches are wanted
            yield Repair(name, (16, wanted))
            yield Repair(name, (1, 16, wanted))


def _last(shapes: Shapes, given: int, wanted: int) -> Iterator[Repair]:
    """The last axis of one argument gets wider or narrower by the difference."""
    exact = [n for n, s in shapes.items() if s and s[-1] == given]
    for name in (*exact, *(n for n in shapes if n not in exact)):
        shape = shapes[name]
        width = shape[-1] + wanted - given if shape else -1
        if len(shape) >= 2 and width >= 0 and (len(shape) > 2 or name in exact):
            yield Repair(name, (*shape[:-1], width))


def _norm(shapes: Shapes, found: re.Match[str]) -> Iterator[Repair]:
    yield from _last(shapes, int(found[2]), int(found[1]))


def _channels(shapes: Shapes, found: re.Match[str]) -> Iterator[Repair]:
    """A convolution takes ``wanted`` channels and got ``given``."""
    wanted, given = int(found[1]), int(found[2])
    for name, shape in shapes.items():
        for axis, size in enumerate(shape):
            if size == given and len(shape) >= 3:
                yield Repair(name, (*shape[:axis], wanted, *shape[axis + 1 :]))


def _image(shapes: Shapes, found: re.Match[str]) -> Iterator[Repair]:
    """An image has another height and width than the model's positions."""
    sides = (int(found[1]), int(found[2]))
    for name, shape in shapes.items():
        if len(shape) >= 4:
            yield Repair(name, (*shape[:-2], *sides))


def _axes(shapes: Shapes, found: re.Match[str]) -> Iterator[Repair]:
    """A shape is taken apart into another count of axes."""
    for name, shape in shapes.items():
        yield from _with_axes(name, shape, int(found[1]), is_more="not enough" in found[0])


def _with_axes(name: str, shape: Shape, count: int, *, is_more: bool) -> Iterator[Repair]:
    missing = count - len(shape)
    if not is_more and missing < 0 and len(shape) > 2:
        yield Repair(name, shape[-missing:])
    elif is_more and missing > 0:
        yield Repair(name, (*(1,) * missing, *shape))
        yield Repair(name, (*shape[:1], *(1,) * missing, *shape[1:]))


def _sizes(shapes: Shapes, found: re.Match[str]) -> Iterator[Repair]:
    """Two tensors that are added or joined differ along an axis."""
    one, other = int(found[1]), int(found[2])
    for given, wanted in ((one, other), (other, one)):
        for name, shape in shapes.items():
            for axis, size in enumerate(shape):
                if size == given and size != 1:
                    yield Repair(name, (*shape[:axis], wanted, *shape[axis + 1 :]))


def _multiple(shapes: Shapes, found: re.Match[str]) -> Iterator[Repair]:
    """A length has to be a multiple."""
    given, step = int(found[1]), int(found[2])
    for name, shape in shapes.items():
        if shape and shape[-1] == given:
            yield Repair(name, (*shape[:-1], step * max(1, round(given / step))))


def _spelled(shapes: Shapes, found: re.Match[str]) -> Iterator[Repair]:
    """The message names the argument and spells its shape."""
    sizes = [int(s) for s in re.findall(r"\d+", found[2])]
    if found[1] in shapes and sizes:
        leading = shapes[found[1]][:1] if "batch" in found[2] else ()
        yield Repair(found[1], (*leading, *sizes))


def _as_kind(kind: str) -> Callable[[Shapes, re.Match[str]], Iterator[Repair]]:
    def propose(shapes: Shapes, _found: re.Match[str]) -> Iterator[Repair]:
        for name, shape in reversed(list(shapes.items())):
            yield Repair(name, shape, kind)

    return propose


_RULES: tuple[tuple[str, Callable[[Shapes, re.Match[str]], Iterator[Repair]]], ...] = (
    (r"cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)", _product),
    (r"normalized_shape=\[(\d+)\].*size\[.*?(\d+)\]", _norm),
    (r"to have (\d+) channels, but got (\d+) channels", _channels),
    (r"doesn't match model \((\d+)\*(\d+)\)", _image),
    (r"(?:not enough|too many) values to unpack \(expected (\d+)", _axes),
    (r"tensor a \((\d+)\) must match the size of tensor b \((\d+)\)", _sizes),
    (r"Expected size (\d+) but got size (\d+)", _sizes),
    (r"length (\d+) is not a multiple of (\d+)", _multiple),
    (r"Expected `(\w+)` to have shape `\(([^)]*)\)`", _spelled),
    (r"index out of range in self|is out of bounds|not in the valid range", _as_kind("small")),
    (r"indices must be long|scalar types: Long|expected scalar type Long", _as_kind("int")),
    (r"integer tensors of a single element", _as_kind("int")),
    (r"expected scalar type Float|must match.*dtype|mat1 and mat2 must have", _as_kind("float")),
    (r"attn_mask dtype to be bool|must be (?:a )?bool|BoolTensor", _as_kind("bool")),
)
