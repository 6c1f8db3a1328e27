"""From an artifact and a recipe to a quantized artifact: cache, child process, provenance."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ipfs_accelerate.errors import (
    AccelerateError,
    ChildFailedError,
    ConversionError,
    MemoryLimitError,
    ParityError,
)
from ipfs_accelerate.models import ModelArtifact, Provenance
from ipfs_accelerate.models.conversion.cache import ConversionCache
from ipfs_accelerate.models.manifest import sha256_of
from ipfs_accelerate.quantize.calibration import Calibration, Feeds, calibrate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.quantize.recipes import Recipe

__all__ = ["quantized"]

_KILLED = -9
_STDERR_TAIL = 4000
_LONGEST_S = 3600.0


def quantized(
    artifact: ModelArtifact,
    recipe: Recipe,
    settings: Settings,
    calibration: Calibration | None = None,
) -> ModelArtifact:
    """The quantized artifact, from the cache when it was made before.

    As after a conversion, ``directory``, ``files`` and ``identity`` stay those of the source.
    """
    graphs = {n: c.path for n, c in artifact.components.items() if c.path is not None}
    if not graphs:
        raise ConversionError(
            f"{artifact.name} has no graph to quantize", hint="convert it to ONNX first"
        )
    feeds = {n: calibrate(artifact, artifact.components[n], calibration) for n in graphs}
    cache = ConversionCache(
        settings.conversions_dir,
        settings.conversion_cache_bytes,
        max(settings.lock_timeout_s, _LONGEST_S),
    )
    job = _Job(artifact.name, recipe, graphs, feeds)
    key = f"{artifact.identity[:32]}-{recipe.name}-{_digest(artifact, job)}"
    folder, record = cache.get_or_build(key, lambda target: _make(job, target))
    return _described(artifact, recipe, folder, record)


@dataclass(frozen=True, slots=True)
class _Job:
    model: str
    recipe: Recipe
    graphs: Mapping[str, Path]
    feeds: Mapping[str, Feeds]


def _digest(artifact: ModelArtifact, job: _Job) -> str:
    """Everything the result depends on beside the model's files.

    A converted graph lies in a folder named by its conversion; a published one is in the manifest.
    """
    graphs = {
        name: path.relative_to(artifact.directory).as_posix()
        if path.is_relative_to(artifact.directory)
        else f"{path.parent.name}/{path.name}"
        for name, path in sorted(job.graphs.items())
    }
    facts = [job.recipe.settings, graphs, {n: f.digest for n, f in sorted(job.feeds.items())}]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _make(job: _Job, folder: Path) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="ipfs-accelerate-quantize-") as name:
        work = Path(name)
        request = {
            "recipe": job.recipe.name,
            "components": {n: str(p) for n, p in job.graphs.items()},
            "target": str(folder),
        }
        (work / "job.json").write_text(json.dumps(request), encoding="utf-8")
        _save_feeds(work / "feeds.npz", job.feeds)
        answer = _run_child(work, job.model)
    _require_parity(answer["parity"], job.recipe, job.model)
    return {
        **answer,
        "calibration": {n: f"{len(f.calibration)}: {f.source}" for n, f in job.feeds.items()},
        "files": [
            {
                "path": p.relative_to(folder).as_posix(),
                "size_bytes": p.stat().st_size,
                "sha256": sha256_of(p),
            }
            for p in sorted(folder.rglob("*"))
            if p.is_file()
        ],
    }


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
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ipfs_accelerate.quantize._worker", str(work)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ConversionError(f"quantizing {name} took longer than {_LONGEST_S:g} s") from error
    result = work / "result.json"
    if done.returncode == 0 and result.is_file():
        return dict(json.loads(result.read_text()))
    raise _child_error(done, name)


def _child_error(done: subprocess.CompletedProcess[str], name: str) -> AccelerateError:
    details = {"exit_code": done.returncode, "stderr": done.stderr[-_STDERR_TAIL:]}
    last = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
    if done.returncode == _KILLED or last.startswith("MemoryError"):
        return MemoryLimitError(f"quantizing {name} ran out of memory", details=details)
    if done.returncode < 0:
        return ChildFailedError(f"quantizing {name} died: {last}", details=details)
    return ConversionError(f"{name} could not be quantized: {last}", details=details)


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


def _described(
    artifact: ModelArtifact, recipe: Recipe, folder: Path, record: Mapping[str, Any]
) -> ModelArtifact:
    components = {
        name: replace(artifact.components[name], path=folder / path)
        for name, path in record["components"].items()
    }
    facts = {"calibration": record["calibration"], "files": record["files"]}
    made_from = {"source_graphs": dict(artifact.provenance.settings)}
    return replace(
        artifact,
        formats=artifact.formats | {recipe.format},
        components=components,
        provenance=Provenance(
            kind="quantized",
            source=artifact.identity,
            settings={
                **recipe.settings,
                **facts,
                **(made_from if artifact.provenance.is_converted else {}),
            },
            parity=record["parity"],
        ),
    )
