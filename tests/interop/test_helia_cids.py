"""The vectors hold what the installed Helia computes, not what somebody once wrote down."""

from __future__ import annotations

import json
import subprocess

import pytest
from helia_node import HERE, node_binary

VECTORS = HERE.parent / "unit" / "content" / "vectors" / "unixfs.json"


def _recomputed(*options: str) -> dict[str, object]:
    text = VECTORS.read_text(encoding="utf-8")
    vectors = json.loads(text)
    for case in vectors["cases"]:
        if not case.get("slow") or "--slow" in options:
            del case["cid"]
    done = subprocess.run(
        [str(node_binary()), "oracle.mjs", *options],
        cwd=HERE,
        input=json.dumps(vectors),
        capture_output=True,
        text=True,
        timeout=280,
        check=True,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "options", [(), pytest.param(("--slow",), marks=pytest.mark.slow)], ids=["", "over 1 GiB"]
)
def test_helia_computes_every_cid_of_the_vectors(
    helia_is_here: None, options: tuple[str, ...]
) -> None:
    assert _recomputed(*options) == json.loads(VECTORS.read_text(encoding="utf-8"))
