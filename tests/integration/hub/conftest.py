"""A hub on the loopback interface with a few small models."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

from ipfs_accelerate.config import Settings
from ipfs_accelerate.models.hub import Hub
from ipfs_accelerate.models.retry import Retry
from ipfs_accelerate.telemetry import FakeClock
from ipfs_accelerate.testing.hub_server import HubServer, Repository

CONFIG = json.dumps({"model_type": "bert", "architectures": ["BertModel"]}).encode()
TOKEN = "hf_thisIsTheSecretToken"


def weights(seed=0, size=4096):
    generator = np.random.default_rng(seed)
    return save({"embeddings": generator.random((size // 4,), dtype=np.float32)})


@pytest.fixture
def repository():
    return Repository(
        {
            "config.json": CONFIG,
            "tokenizer.json": b'{"version": "1.0"}',
            "README.md": b"# A model",
            "model.safetensors": weights(),
            "pytorch_model.bin": b"PK\x03\x04 never fetched",
            "onnx/model_quantized.onnx": b"never fetched",
            "tf_model.h5": b"never fetched",
        },
        refs=("v1",),
        pipeline_tag="feature-extraction",
    )


@pytest.fixture
def server(repository, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    others = {
        "org/private": Repository({"config.json": CONFIG}, token=TOKEN),
        "org/gated": Repository({"config.json": CONFIG}, token=TOKEN, is_gated=True),
        "org/pickled": Repository({"config.json": CONFIG, "pytorch_model.bin": b"\x80\x02K\x01."}),
        "org/empty": Repository({"README.md": b"nothing"}),
    }
    with HubServer({"org/model": repository, **others}) as running:
        yield running


@pytest.fixture
def settings(server, tmp_path):
    return Settings(home=tmp_path / "home", hub_endpoint=server.endpoint, hub_attempts=3)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def hub(settings, clock):
    return Hub(settings, retry=Retry(attempts=3, clock=clock, jitter=np.random.default_rng(0)))
