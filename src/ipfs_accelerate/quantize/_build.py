"""From an artifact and a recipe to a quantized artifact: cache, child process, provenance."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from ipfs_accelerate.errors import (
    ChildFailedError,
    ConversionError,
    MemoryLimitError,
    ParityError,
)
from ipfs_accelerate.models import Component, ManifestFile, ModelArtifact, Provenance
from ipfs_accelerate.models.manifest import sha256_of
from ipfs_accelerate.quantize.calibration import Calibration, Feeds, calibrate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.quantize.recipes import Recipe

__all__ = ["quantized"]

_SIDE_FILES = (".json", ".txt", ".model", ".jinja")
_RESULT = "result.json"
_KILLED = -9


def quantized(
    artifact: ModelArtifact,
    recipe: Recipe,
    settings: Settings,
    calibration: Calibration | None = None,
) -> ModelArtifact:
    """The quantized artifact, from the cache when it was made before."""
    graphs = {n: c for n, c in artifact.components.items() if c.path is not None}
    if not graphs:
        raise ConversionError(
            f"{artifact.name} has no graph to quantize", hint="convert it to ONNX first"
        )
    feeds = {n: calibrate(artifact, c, calibration) for n, c in graphs.items()}
    folder = settings.conversions_dir / "quantized" / _key(artifact, recipe, feeds)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / _RESULT).is_file():
            _make(artifact, recipe, feeds, folder)
    return _described(artifact, recipe, folder)


def _key(artifact: ModelArtifact, recipe: Recipe, feeds: Mapping[str, Feeds]) -> str:
    facts = [artifact.identity, recipe.settings, {n: f.digest for n, f in sorted(feeds.items())}]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _make(
    artifact: ModelArtifact, recipe: Recipe, feeds: Mapping[str, Feeds], folder: Path
) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as name:
        work = Path(name)
        sources = {n: str(artifact.components[n].path) for n in feeds}
        (work / "job.json").write_text(json.dumps({"recipe": recipe.name, "components": sources}))
        _save_feeds(work / "feeds.npz", feeds)
        answer = _run_child(work, artifact.name)
        _require_parity(answer["parity"], recipe, artifact.name)
        answer["calibration"] = {n: f"{len(f.calibration)} {f.source}" for n, f in feeds.items()}
        _copy_side_files(artifact, work / "files")
        rows = _hashed(work / "files")
        answer["files"] = [[row.path, row.size_bytes, row.sha256] for row in rows]
        (work / "files" / _RESULT).write_text(json.dumps(answer))
        (work / "files").rename(folder)


def _save_feeds(path: Path, feeds: Mapping[str, Feeds]) -> None:
    arrays = {
        f"{component}/{part}|{index}|{name}": array
        for component, found in feeds.items()
        for part in ("calibration", "checks")
        for index, feed in enumerate(getattr(found, part))
        for name, array in feed.items()
    }
    np.savez(path, allow_pickle=False, **arrays)


def _run_child(work: Path, name: str) -> dict[str, Any]:
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "NNCF_CI": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "ipfs_accelerate.quantize._worker", str(work)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    result = work / _RESULT
    if done.returncode == 0 and result.is_file():
        return dict(json.loads(result.read_text()))
    details = {"exit_code": done.returncode, "stderr": done.stderr[-4000:]}
    last = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
    if done.returncode == _KILLED or last.startswith("MemoryError"):
        raise MemoryLimitError(f"quantizing {name} ran out of memory", details=details)
    if done.returncode < 0:
        raise ChildFailedError(f"quantizing {name} died: {last}", details=details)
    raise ConversionError(f"{name} could not be quantized: {last}", details=details)


def _require_parity(parity: Mapping[str, Any], recipe: Recipe, name: str) -> None:
    for component, outputs in parity.items():
        for output, found in outputs.items():
            cosine = found["cosine"]
            if cosine is not None and cosine < recipe.smallest_cosine:
                raise ParityError(
                    f"{recipe.name} changes {component}/{output} of {name}: cosine {cosine:.4f}"
                    f" is below {recipe.smallest_cosine}",
                    hint="use fp32, or calibrate with inputs of your own",
                    details={"parity": dict(parity)},
                )


def _copy_side_files(artifact: ModelArtifact, folder: Path) -> None:
    """Configuration and tokenizer, so that the result is a model directory of its own."""
    for entry in artifact.files:
        source = artifact.directory / entry.path
        if "/" not in entry.path and source.suffix in _SIDE_FILES and source.is_file():
            shutil.copyfile(source, folder / entry.path)


def _hashed(folder: Path) -> list[ManifestFile]:
    return [
        ManifestFile(str(p.relative_to(folder).as_posix()), p.stat().st_size, sha256_of(p))
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    ]


def _described(artifact: ModelArtifact, recipe: Recipe, folder: Path) -> ModelArtifact:
    answer = json.loads((folder / _RESULT).read_text())
    components = {
        name: Component(
            name, folder / path, artifact.components[name].inputs, artifact.components[name].outputs
        )
        for name, path in answer["components"].items()
    }
    return replace(
        artifact,
        directory=folder,
        files=tuple(ManifestFile(*row) for row in answer["files"]),
        formats=frozenset({recipe.format}),
        components=components,
        provenance=Provenance(
            kind="quantized",
            source=artifact.identity,
            settings={**recipe.settings, "calibration": answer["calibration"]},
            parity=answer["parity"],
        ),
    )
