"""One conversion shared by the tests that look at it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.config import Settings
from ipfs_accelerate.models import resolve
from ipfs_accelerate.models.conversion import ensure_onnx

if TYPE_CHECKING:
    from pathlib import Path

    from ipfs_accelerate.models import ModelArtifact


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("conversions"), offline=True)


@pytest.fixture(scope="session")
def converted_bert(settings: Settings) -> ModelArtifact:
    """A tiny BERT with random weights, as ONNX."""
    return ensure_onnx(resolve("random://bert?seed=0", settings=settings), settings=settings)


@pytest.fixture
def own_bert(settings: Settings, tmp_path: Path) -> ModelArtifact:
    """Another copy of the same model, that a test may spoil."""
    source = resolve("random://bert?seed=0", settings=settings).directory
    shutil.copytree(source, tmp_path / "bert")
    return resolve(str(tmp_path / "bert"), settings=settings)
