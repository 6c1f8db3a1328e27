"""Artifact → artifact with ONNX graphs, converted once and proven against PyTorch."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import astuple, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import ConversionError, DiskFullError, MissingExtraError, error_types
from ipfs_accelerate.models.artifact import Component, Provenance, TensorSpec
from ipfs_accelerate.models.conversion.cache import RECORD, ConversionCache
from ipfs_accelerate.models.conversion.graph import find_components, read_component
from ipfs_accelerate.models.conversion.recipes import RECIPE_VERSION, recipe_for
from ipfs_accelerate.models.conversion.source import architecture_of, require_torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.models.artifact import ModelArtifact
    from ipfs_accelerate.models.conversion.recipes import Recipe

__all__ = ["ensure_onnx"]

logger = logging.getLogger(__name__)

_TOOLS = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")
_LONGEST_CONVERSION_S = 3600.0
_STDERR_TAIL = 4000


def ensure_onnx(
    artifact: ModelArtifact, *, settings: Settings, allow_remote_code: bool = False
) -> ModelArtifact:
    """An artifact whose components are ONNX files.

    Graphs that came with the model are used as they are. Otherwise the weights are converted in
    a process of their own, compared with PyTorch and kept in ``settings.conversions_dir``;
    ``directory``, ``files`` and ``identity`` stay those of the source.

    Raises:
        MissingExtraError: A conversion is needed and PyTorch or transformers is not installed.
        ConversionError: No recipe covers the model, or the exporter failed.
        ParityError: The graphs compute something else than PyTorch; nothing is kept.
        DiskFullError: There is no space for the conversion; nothing half-built stays.
    """
    if artifact.components and all(c.path is not None for c in artifact.components.values()):
        return artifact
    published = find_components(artifact.directory)
    if published:
        formats = artifact.formats | {"onnx"}
        return replace(artifact, components=published, formats=formats)
    architecture = architecture_of(artifact.config, artifact.architecture)
    recipe = recipe_for(str(artifact.model_type or artifact.config.get("model_type")), architecture)
    job = _Job(artifact, architecture, recipe, settings, allow_remote_code)
    folder, record = _converted(job)
    return replace(
        artifact,
        components=_components(folder, record),
        formats=artifact.formats | {"onnx"},
        provenance=Provenance(
            "converted", artifact.identity, record["settings"], parity=record["parity"]
        ),
    )


@dataclass(frozen=True, slots=True)
class _Job:
    artifact: ModelArtifact
    architecture: str
    recipe: Recipe
    settings: Settings
    allow_remote_code: bool


def _converted(job: _Job) -> tuple[Path, dict[str, Any]]:
    settings, identity = job.settings, job.artifact.identity
    facts = _facts(job)
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    cache = ConversionCache(
        settings.conversions_dir,
        settings.conversion_cache_bytes,
        max(settings.lock_timeout_s, _LONGEST_CONVERSION_S),
    )
    key = f"{identity[:32]}-{digest[:16]}"
    if facts["versions"]["torch"] is None:
        key = _any_conversion(cache.directory, identity[:32]) or key

    def build(target: Path) -> dict[str, object]:
        require_torch("converting a model to ONNX")
        _refuse_small_disk(job.artifact, target)
        logger.info("converting %s to ONNX", job.artifact.name)
        result = _run_child(job, target)
        times = {name: result[name] for name in ("export_ns", "check_ns")}
        return {
            "source": identity,
            "reference": str(job.artifact.ref),
            "settings": {**facts, **times},
            "parity": result["parity"],
            "components": _stated_specs(target, job.recipe),
        }

    return cache.get_or_build(key, build)


def _facts(job: _Job) -> dict[str, Any]:
    """Everything the result depends on beside the model's files."""
    return {
        "recipe_version": RECIPE_VERSION,
        "recipe": hashlib.sha256(repr(job.recipe).encode()).hexdigest(),
        "architecture": job.architecture,
        "opset": job.recipe.opset,
        "route": "torch.onnx.export(dynamo=True)",
        "allow_remote_code": job.allow_remote_code,
        "versions": {tool: _version(tool) for tool in _TOOLS},
    }


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _any_conversion(directory: Path, identity: str) -> str | None:
    """Where nothing can be converted, a conversion that other versions made serves as well."""
    found = sorted(directory.glob(f"{identity}-*/{RECORD}"), key=lambda p: p.stat().st_mtime_ns)
    return found[-1].parent.name if found else None


def _refuse_small_disk(artifact: ModelArtifact, target: Path) -> None:
    free = shutil.disk_usage(target).free
    if free < artifact.weights_bytes:
        raise DiskFullError(
            f"converting {artifact.name} needs about {artifact.weights_bytes} bytes, "
            f"{free} are free in {target.parent}",
            hint="free disk space or set IPFS_ACCELERATE_HOME to a larger disk",
        )


def _stated_specs(folder: Path, recipe: Recipe) -> dict[str, object]:
    """What the new files say, kept in the record so that later uses need not read them."""
    names = [component.name for component in recipe.components]
    parts = {name: read_component(folder / f"{name}.onnx", name=name) for name in names}
    return {
        name: {"inputs": [*map(astuple, c.inputs)], "outputs": [*map(astuple, c.outputs)]}
        for name, c in parts.items()
    }


def _components(folder: Path, record: Mapping[str, Any]) -> dict[str, Component]:
    return {
        name: Component(
            name, folder / f"{name}.onnx", _specs(stated["inputs"]), _specs(stated["outputs"])
        )
        for name, stated in record["components"].items()
    }


def _specs(rows: Sequence[Sequence[Any]]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, dtype, tuple(shape)) for name, dtype, shape in rows)


def _run_child(job: _Job, target: Path) -> dict[str, Any]:
    name = job.artifact.name
    request = {
        "source": str(job.artifact.directory),
        "target": str(target),
        "architecture": job.architecture,
        "allow_remote_code": job.allow_remote_code,
    }
    command = [sys.executable, "-m", "ipfs_accelerate.models.conversion._child"]
    try:
        ended = subprocess.run(
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=_LONGEST_CONVERSION_S,
            env=_environment(job.settings),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConversionError(
            f"converting {name} took longer than {_LONGEST_CONVERSION_S:g} s"
        ) from error
    return _answer(ended, name)


def _environment(settings: Settings) -> dict[str, str]:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "ORT_DISABLE_TELEMETRY": "1"}
    threads = {"OMP_NUM_THREADS": str(settings.threads)} if settings.threads else {}
    return {**os.environ, **offline, **threads}


def _answer(ended: subprocess.CompletedProcess[str], name: str) -> dict[str, Any]:
    try:
        answer = json.loads(ended.stdout)
    except ValueError as error:
        cause = f"signal {-ended.returncode}" if ended.returncode < 0 else "a crash"
        tail = ended.stderr[-_STDERR_TAIL:]
        raise ConversionError(
            f"converting {name} ended with {cause} (status {ended.returncode})",
            hint="signal 9 usually means that memory ran out" if ended.returncode == -9 else None,
            details={"exit_code": ended.returncode, "stderr_tail": tail},
        ) from error
    if "result" in answer:
        result: dict[str, Any] = answer["result"]
        return result
    _raise(answer["error"])
    raise AssertionError  # unreachable: _raise always raises


def _raise(stated: dict[str, Any]) -> None:
    cls = error_types().get(stated["code"], ConversionError)
    if cls is MissingExtraError:
        raise MissingExtraError("torch", needed_for="converting a model to ONNX")
    try:
        error = cls(stated["message"], hint=stated["hint"], details=stated["details"])
    except TypeError:  # an error with a signature of its own
        error = ConversionError(stated["message"], hint=stated["hint"], details=stated["details"])
    raise error
