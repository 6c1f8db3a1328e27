"""What loading has in common: thread counts, the graph of a component, errors about memory."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ipfs_accelerate.config import load_settings
from ipfs_accelerate.errors import (
    AccelerateError,
    LoadError,
    MemoryLimitError,
    TargetUnsupportedError,
    UnknownNameError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.hardware import Precision
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes.protocol import LoadOptions
    from ipfs_accelerate.runtimes.target import Target

__all__ = [
    "failure",
    "graph_artifact",
    "graph_bytes",
    "graph_path",
    "require_options",
    "require_precision",
    "settings_of",
    "thread_count",
]

_MEMORY = re.compile(r"out of memory|bad[ _]alloc|failed to allocate", re.IGNORECASE)


def settings_of(options: LoadOptions) -> Settings:
    """The settings in effect for a load."""
    return options.settings or load_settings()


def thread_count(target: Target, options: LoadOptions) -> int:
    """Intra-op threads: the target's option, then the load's, then the settings', then all cores.

    Raises:
        TargetUnsupportedError: The option is not a positive number.
    """
    text = target.option("threads")
    if text is None:
        return options.threads or settings_of(options).threads or _usable_cores()
    if not text.isdecimal() or int(text) < 1:
        raise TargetUnsupportedError(
            f"{target}: threads={text!r} is not a positive number", hint="write e.g. +threads=4"
        )
    return int(text)


@cache
def _usable_cores() -> int:
    from ipfs_accelerate.hardware.cpu import find_cpu
    from ipfs_accelerate.hardware.system import System

    return find_cpu(System.local()).compute_units or os.cpu_count() or 1


def require_options(target: Target, known: frozenset[str]) -> None:
    """Refuse options the runtime does not have.

    Raises:
        TargetUnsupportedError: One is unknown.
    """
    for option in target.options:
        name = option.partition("=")[0]
        if name not in known:
            raise TargetUnsupportedError(
                f"{target}: unknown option {name!r}",
                hint="known: " + (", ".join(sorted(known)) or "none"),
            )


def require_precision(target: Target, executed: Precision, evidence: str) -> None:
    """Refuse a session that computes in another precision than asked for.

    Args:
        target: What was asked for.
        executed: What was read back.
        evidence: What it was read from.

    Raises:
        TargetUnsupportedError: They differ.
    """
    if executed is not target.precision:
        raise TargetUnsupportedError(
            f"{target}: this model would be computed in {executed.value}, not"
            f" {target.precision.value} ({evidence})",
            hint=f"ask for {replace(target, precision=executed)}",
            details={"executed_precision": executed.value, "evidence": evidence},
        )


def graph_artifact(artifact: ModelArtifact, options: LoadOptions) -> ModelArtifact:
    """The artifact with an ONNX graph for the wanted component, converted when it has none.

    Raises:
        ConversionError: It cannot be converted.
        MissingExtraError: Converting needs an extra that is not installed.
        UnknownNameError: The model has no such component.
    """
    component = artifact.components.get(options.component)
    if component is None or component.path is None:
        from ipfs_accelerate.models.conversion import ensure_onnx

        artifact = ensure_onnx(
            artifact,
            settings=settings_of(options),
            allow_remote_code=options.allow_remote_code,
        )
    graph_path(artifact, options.component)
    return artifact


def graph_path(artifact: ModelArtifact, component: str) -> Path:
    """The graph file of a component.

    Raises:
        UnknownNameError: The model has no such component.
        LoadError: The component has no graph file, or it is not there.
    """
    found = artifact.components.get(component)
    if found is None:
        raise UnknownNameError(component, artifact.components)
    if found.path is None or not found.path.is_file():
        raise LoadError(f"component {component!r} of {artifact.name} has no graph file")
    return found.path


def graph_bytes(artifact: ModelArtifact, component: str) -> int:
    """Bytes of a component's graph with its external data."""
    path = graph_path(artifact, component)
    stem = path.stem if path.suffix == ".xml" else path.name
    files = (f for f in path.parent.iterdir() if f.name.startswith(stem) and f.is_file())
    return sum(f.stat().st_size for f in files)


def failure(error: BaseException, kind: type[AccelerateError], message: str) -> AccelerateError:
    """The typed form of a library's error; one about memory becomes `MemoryLimitError`."""
    text = str(error).strip()
    if isinstance(error, MemoryError) or _MEMORY.search(text):
        return MemoryLimitError(f"{message}: {text}", hint="use a smaller batch or model")
    return kind(f"{message}: {text}")
