"""Small models with random weights, made once for all tests of this folder."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ipfs_accelerate.config import Settings
from ipfs_accelerate.inference import Accelerator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home that keeps models and conversions for all tests."""
    return Settings(home=tmp_path_factory.mktemp("inference"), threads=2)


# Converting takes most of the time, so most tests run the same pipelines over PyTorch.
_TARGETS = ["torch/cpu/fp32", pytest.param("onnxruntime/cpu/fp32", marks=pytest.mark.slow)]


@pytest.fixture(scope="session", params=_TARGETS)
def accelerator(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Accelerator]:
    with Accelerator(settings=settings, targets=[request.param]) as facade:
        yield facade


@pytest.fixture(scope="session")
def on_onnx(settings: Settings) -> Iterator[Accelerator]:
    with Accelerator(settings=settings, targets=["onnxruntime/cpu/fp32"]) as facade:
        yield facade


@pytest.fixture(scope="session")
def random_model(settings: Settings) -> Callable[[str], tuple[str, Path]]:
    """Reference and directory of a tiny random model; the same one for the same name."""
    from ipfs_accelerate.models import resolve

    def make(architecture: str) -> tuple[str, Path]:
        ref = f"random://{architecture}?size=tiny&seed=1"
        return ref, resolve(ref, settings=settings).directory

    return make


@pytest.fixture(autouse=True)
def quiet_transformers() -> Iterator[None]:
    """The library used as the reference warns about its own future."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def tone() -> np.ndarray:
    """Half a second of two tones with noise, ``float32`` at 16 kHz."""
    rng = np.random.default_rng(0)
    time_s = np.arange(8000) / 16_000
    clean = 0.4 * np.sin(2 * np.pi * 440 * time_s) + 0.2 * np.sin(2 * np.pi * 1337 * time_s)
    return (clean + 0.01 * rng.standard_normal(8000)).astype(np.float32)
