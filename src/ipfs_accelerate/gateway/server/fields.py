"""Reads fields of a JSON body; a fault names the field, as OpenAI's ``param`` does."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, TypeVar

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Body", "refuse"]

T = TypeVar("T")


def refuse(param: str, problem: str, *, hint: str | None = None) -> InputError:
    """The error for a field that cannot be honoured."""
    return InputError(f"{param}: {problem}", hint=hint, details={"param": param})


class Body:
    """A JSON object whose fields are taken out one by one; what is left over is refused.

    Args:
        fields: The object.
        place: Where it stands in the request, for messages; empty for the whole body.
    """

    def __init__(self, fields: object, place: str = "") -> None:
        if not isinstance(fields, dict):
            raise refuse(place or "body", "this is not a JSON object")
        self._fields: dict[str, object] = dict(fields)
        self._place = place
        self._known: set[str] = set()

    def place(self, name: str) -> str:
        """The full name of a field."""
        return f"{self._place}.{name}" if self._place else name

    def take(self, name: str, kind: type[T] | tuple[type[T], ...], what: str) -> T | None:
        """A field of a type; ``None`` when it is absent or null. ``True`` is not a number."""
        self._known.add(name)
        value = self._fields.pop(name, None)
        if value is None:
            return None
        is_odd_bool = isinstance(value, bool) and kind is not bool
        if is_odd_bool or not isinstance(value, kind):
            raise refuse(self.place(name), f"this is not {what}")
        return value  # pyright: ignore[reportReturnType] — it is of a kind asked for

    def number(self, name: str, low: float, high: float) -> float | None:
        """A number within bounds."""
        value = self.take(name, (int, float), "a number")
        if value is not None and not low <= value <= high:
            raise refuse(self.place(name), f"{value} is not within {low:g} and {high:g}")
        return value

    def count(self, name: str, low: int = 1) -> int | None:
        """A whole number of at least ``low``."""
        value = self.take(name, int, "a whole number")
        if value is not None and value < low:
            raise refuse(self.place(name), f"{value} is less than {low}")
        return value

    def need(self, name: str, kind: type[T] | tuple[type[T], ...], what: str) -> T:
        """A field that must be there."""
        value = self.take(name, kind, what)
        if value is None:
            raise refuse(self.place(name), f"this is needed: {what}")
        return value

    def items(self, name: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
        """The members of an array, each read by itself; nothing when it is absent."""
        values = self.take(name, list, "an array") or []
        return tuple(read(value, f"{self.place(name)}[{i}]") for i, value in enumerate(values))

    def rest(self, allowed: Iterable[str]) -> Mapping[str, object]:
        """What was not taken, all of it among ``allowed``."""
        passed = set(allowed)
        for name in self._fields:
            if name not in passed:
                near = difflib.get_close_matches(name, passed | self._known, n=1)
                raise refuse(
                    self.place(name),
                    "there is no such field",
                    hint=f"did you mean {near[0]!r}?" if near else None,
                )
        return {name: value for name, value in self._fields.items() if value is not None}
