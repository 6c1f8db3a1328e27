from __future__ import annotations

import subprocess
import sys

import pytest

import ipfs_accelerate

HEAVY = (
    "click", "duckdb", "httpx", "huggingface_hub", "numpy", "onnx", "onnxruntime", "openvino",
    "plotly", "pyarrow", "pydantic", "rich", "scipy", "tokenizers", "torch", "transformers",
)  # fmt: skip


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_importing_the_package_loads_no_third_party_module() -> None:
    loaded = run(f"import sys, ipfs_accelerate; print([m for m in {HEAVY!r} if m in sys.modules])")
    assert loaded.strip() == "[]"


def test_help_loads_no_heavy_module() -> None:
    heavy = tuple(set(HEAVY) - {"click"})
    code = f"""
import sys
from ipfs_accelerate.cli import main
sys.argv = ["accel", "--help"]
try:
    main()
except SystemExit as end:
    assert end.code == 0
print("LOADED", [m for m in {heavy!r} if m in sys.modules])
"""
    assert run(code).strip().endswith("LOADED []")


@pytest.mark.parametrize("name", [n for n in ipfs_accelerate.__all__ if n != "__version__"])
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(ipfs_accelerate, name).__name__ == name


def test_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = ipfs_accelerate.no_such_thing
