"""A store on loopback with two endpoints before it, each with a bucket of its own."""

import os
import threading

import pytest

pytest.importorskip("obstore")
pytest.importorskip("moto")

from ipfs_accelerate.content.objects import Endpoint, HealthPolicy, Keys, ObjectPool
from ipfs_accelerate.testing.s3_server import S3Server

KEYS = Keys("AKIAEXAMPLEKEYID", "the-secret-of-the-account")


@pytest.fixture(autouse=True)
def no_aws_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def server():
    before = set(threading.enumerate())
    with S3Server(["east-models", "west-models"]) as running:
        yield running
    left = [t for t in threading.enumerate() if t not in before]
    assert not left, f"threads left behind: {left}"


@pytest.fixture
def east(server):
    proxy = server.proxy()
    yield proxy
    proxy.stop()


@pytest.fixture
def west(server):
    proxy = server.proxy()
    yield proxy
    proxy.stop()


@pytest.fixture
def endpoints(east, west):
    options = {"keys": KEYS, "read_timeout_s": 2.0, "connect_timeout_s": 2.0}
    return [
        Endpoint("east", "east-models", url=east.url, **options),
        Endpoint("west", "west-models", url=west.url, **options),
    ]


@pytest.fixture
def pool(endpoints):
    policy = HealthPolicy(first_pause_ns=50_000_000)
    with ObjectPool(endpoints, policy=policy) as made:
        yield made


@pytest.fixture
def store(server):
    """Write an object of a name of its own to both buckets, or to one."""

    def write(key, data, *, at=("east", "west")):
        for name in at:
            server.put(f"{name}-models", key, data)

    return write
