"""A small real ONNX model, and accelerators whose targets follow a script."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ipfs_accelerate.inference import Accelerator
from ipfs_accelerate.testing import NullRuntime, installed, null_device
from ipfs_accelerate.testing.conformance.models import onnx_artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    for thread in _ours():
        thread.join(5)
    assert not _ours()


def _ours() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("ipfs-accelerate")]


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    artifact = onnx_artifact(tmp_path / "projection")
    return artifact.directory / "projection.onnx"


@pytest.fixture
def tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((1, 4, 64), dtype=np.float32)
    return {"hidden": hidden, "scale": np.ones(1, dtype=np.float32)}


@pytest.fixture
def scripted() -> Iterator[Callable[..., Accelerator]]:
    """Accelerators over null targets only, in fp32 of the devices in the given order."""
    with ExitStack() as stack:

        def make(*devices: str, behaviours: dict | None = None, **arguments: object) -> Accelerator:
            runtime = NullRuntime(devices=devices, behaviours=behaviours or {})
            stack.enter_context(installed(runtime))
            arguments.setdefault("targets", [f"null/{d}/fp32" for d in devices])
            accelerator = stack.enter_context(Accelerator(**arguments))
            vars(accelerator._planner)["devices"] = tuple(null_device(d) for d in devices)
            return accelerator

        yield make
