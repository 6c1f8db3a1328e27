from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import ipfs_accelerate

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEAVY = ("models.conversion._", "models.families.generate", "bench._child", "quantize._worker")


def modules() -> list[str]:
    found = pkgutil.walk_packages(ipfs_accelerate.__path__, "ipfs_accelerate.")
    names = [m.name for m in found if not m.name.endswith("__main__")]
    return [n for n in names if not n.removeprefix("ipfs_accelerate.").startswith(HEAVY)]


@pytest.mark.parametrize("name", modules())
def test_examples_of_docstrings_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


@pytest.mark.needs("minilm", "torch")
def test_python_examples_of_the_pages_run(
    minilm_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process, one home: the model is converted once for all pages."""
    (tmp_path / "model").symlink_to(minilm_directory)
    monkeypatch.chdir(tmp_path)
    for page in PAGES:
        for block in PYTHON.findall(page.read_text()):
            code = compile(block, str(page.relative_to(ROOT)), "exec")
            exec(code, {"__name__": "example", "model": str(minilm_directory)})


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
