"""Recipes of the vectors, made into real files: what Helia named is what we name."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ipfs_accelerate.content.profiles import ImportProfile, profile_named

_PIECE_BYTES = 2**20


def write_bytes(path: Path, seed: int, size_bytes: int) -> None:
    """Byte i of seed s is the top byte of (i + 1000003 s) * 2654435761 modulo 2^32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for start in range(0, size_bytes, _PIECE_BYTES):
            index = np.arange(start, min(start + _PIECE_BYTES, size_bytes), dtype=np.uint64)
            mixed = (index + np.uint64(1000003 * seed)) * np.uint64(2654435761)
            file.write(((mixed >> np.uint64(24)) & np.uint64(0xFF)).astype(np.uint8).tobytes())


def _write_entry(directory: Path, entry: dict[str, Any]) -> None:
    path = directory / entry["path"]
    match entry.get("kind", "file"):
        case "directory":
            path.mkdir(parents=True, exist_ok=True)
        case "symlink":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(entry["target"])
        case _:
            write_bytes(path, entry["seed"], entry["size_bytes"])


def _expanded(entry: dict[str, Any]) -> list[dict[str, Any]]:
    if "count" not in entry:
        return [entry]
    return [
        entry
        | {
            "path": entry["path"].replace("#", str(i).zfill(entry["digits"])),
            "seed": entry["seed"] + i * entry["seed_step"],
        }
        for i in range(entry["count"])
    ]


class Recipe:
    """One case of a vectors file."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case

    @property
    def profile(self) -> ImportProfile:
        profile = profile_named(self.case["profile"])
        return dataclasses.replace(profile, **self.case.get("overrides", {}))

    @property
    def is_file(self) -> bool:
        return "file" in self.case

    def make(self, directory: Path) -> Path:
        """Write the file, or the tree, below ``directory``; returns its root."""
        root = directory / "root"
        if self.is_file:
            write_bytes(root, self.case["file"]["seed"], self.case["file"]["size_bytes"])
            return root
        root.mkdir()
        for entry in self.case["entries"]:
            for single in _expanded(entry):
                _write_entry(root, single)
        return root


@pytest.fixture
def recipe_of() -> type[Recipe]:
    return Recipe
