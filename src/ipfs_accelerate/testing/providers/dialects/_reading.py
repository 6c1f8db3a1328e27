"""Takes what mocks need out of bodies that may hold anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["last_turn", "listed", "named", "texts"]


def named(body: Mapping[str, object]) -> str:
    """The model asked for."""
    return str(body.get("model") or "mock")


def texts(value: object) -> tuple[str, ...]:
    """One text or a list of them."""
    return (value,) if isinstance(value, str) else tuple(map(str, listed(value)))


def listed(value: object) -> list[object]:
    """A list; empty where it is none."""
    return value if isinstance(value, list) else []


def last_turn(messages: object, content: str = "content") -> tuple[str, str]:
    """The last words of the user, and those of the assistant after them."""
    said, begun = "", ""
    for one in listed(messages):
        if not isinstance(one, dict):
            continue
        words, role = _text(one.get(content)), one.get("role")
        begun = words if role in {"assistant", "model"} else ""
        said = words if role == "user" else said
    return said, begun


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in listed(content) if isinstance(part, dict)]
    return "".join(text for text in parts if isinstance(text, str))
