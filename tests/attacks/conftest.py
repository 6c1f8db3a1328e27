"""Small models for attacks to start from."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

from ipfs_accelerate.config import Settings

CONFIG = {"model_type": "bert", "architectures": ["BertModel"]}


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", offline=True)


@pytest.fixture
def folder(tmp_path):
    """A valid model to spoil."""
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(CONFIG))
    (directory / "model.safetensors").write_bytes(
        save({"weight": np.arange(6, dtype=np.float32).reshape(2, 3)})
    )
    return directory
