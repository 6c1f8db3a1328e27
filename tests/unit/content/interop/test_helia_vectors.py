"""Every CID that Helia gave a recipe is the CID we give it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ipfs_accelerate.content import importing

_VECTORS = Path(__file__).parents[1] / "vectors" / "unixfs.json"
_CASES = json.loads(_VECTORS.read_text(encoding="utf-8"))["cases"]


def _parameters() -> list[Any]:
    return [
        pytest.param(
            case,
            id=f"{case['profile']}: {case['name']}",
            marks=[pytest.mark.slow] if case.get("slow") else [],
        )
        for case in _CASES
    ]


@pytest.mark.parametrize("case", _parameters())
def test_our_cid_is_helias(case: dict[str, Any], recipe_of: Any, tmp_path: Path) -> None:
    recipe = recipe_of(case)
    root = recipe.make(tmp_path)
    if recipe.is_file:
        found = importing.hash_file(root, recipe.profile)[0].root
        root.unlink()
    else:
        found = importing.hash_tree(root, recipe.profile).root
    assert str(found) == case["cid"]


def test_the_vectors_cover_what_a_cid_depends_on() -> None:
    assert len(_CASES) >= 140
    assert {case["profile"] for case in _CASES} == {"unixfs-v0-2015", "unixfs-v1-2025"}
    assert max(case["file"]["size_bytes"] for case in _CASES if "file" in case) > 2**30
