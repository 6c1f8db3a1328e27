"""Reads the small JSON files that come with a model; nothing outside its folder, nothing huge."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import ModelFormatError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_json", "read_object"]

_MAX_BYTES = 256 * 2**20


def read_json(directory: Path, name: str) -> object | None:
    """A JSON file of the model; ``None`` when it has none of that name.

    Raises:
        ModelFormatError: The file is not JSON, or too large to be one of its kind.
    """
    path = directory / name
    if not path.is_file():
        return None
    if path.stat().st_size > _MAX_BYTES:
        raise ModelFormatError(f"{path} is larger than {_MAX_BYTES} bytes")
    try:
        return json.loads(path.read_bytes())  # type: ignore[no-any-return]
    except ValueError as error:
        raise ModelFormatError(f"{path} is not JSON: {error}", hint="fetch it again") from error


def read_object(directory: Path, name: str) -> dict[str, object]:
    """Like `read_json` for a file that holds one object; empty when there is none.

    Raises:
        ModelFormatError: It holds something else.
    """
    found = read_json(directory, name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ModelFormatError(f"{directory / name} holds no JSON object")
    return found
