from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from safetensors.numpy import save

from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.config import load_settings
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.serving import GatewayServer


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def first(self) -> str:
        return self.out.splitlines()[0]


class Machine:
    """The command line with a home of its own."""

    def __init__(self, home: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.environment: dict[str, str] = {}

    def accel(self, *arguments: object) -> Answer:
        with self._monkeypatch.context() as patch:
            patch.setenv("IPFS_ACCELERATE_HOME", str(self.home))
            for name, value in self.environment.items():
                patch.setenv(f"IPFS_ACCELERATE_{name}", value)
            self._capsys.readouterr()
            code = _run([str(argument) for argument in arguments])
        out = self._capsys.readouterr()
        return Answer(code, out.out, out.err)

    def content(self, *arguments: object) -> Answer:
        return self.accel("content", *arguments)

    @contextmanager
    def serving(self) -> Iterator[str]:
        settings = load_settings({"home": self.home})
        with FileBlockStore(settings.content_path) as store, GatewayServer(store, token=None) as on:
            yield on.url


@pytest.fixture
def machine(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path / "a", capsys, monkeypatch)


@pytest.fixture
def other(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path / "b", capsys, monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(
        tmp_path / "model",
        {
            "config.json": b'{"model_type": "bert"}',
            "model.safetensors": save({"w": np.arange(600_000, dtype=np.float32)}),
            "sub/vocab.txt": b"a\nb\n",
        },
    )


def write(base: Path, files: Mapping[str, bytes]) -> Path:
    for path, data in files.items():
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_bytes(data)
    return base
