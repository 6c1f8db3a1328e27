import pytest

from ipfs_accelerate.config import load_settings
from ipfs_accelerate.runtimes import LoadOptions
from ipfs_accelerate.testing.conformance import onnx_artifact


@pytest.fixture
def options(tmp_path):
    settings = load_settings({"home": tmp_path / "home"}, environment={})
    return LoadOptions(threads=1, settings=settings)


@pytest.fixture
def projection(tmp_path):
    return onnx_artifact(tmp_path / "projection")
