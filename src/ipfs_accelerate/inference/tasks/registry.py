"""Finds tasks by name; the modules of this folder are the list."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError, UnknownTaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.inference.tasks.protocol import Pipeline
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["pipeline_for", "task_of", "tasks"]

_PACKAGE = "ipfs_accelerate.inference.tasks"


@cache
def tasks() -> Mapping[str, type[Pipeline]]:
    """Every task by its name and by its aliases."""
    found: dict[str, type[Pipeline]] = {}
    package = import_module(_PACKAGE)
    for module in pkgutil.iter_modules(package.__path__):
        pipeline = getattr(import_module(f"{_PACKAGE}.{module.name}"), "PIPELINE", None)
        if pipeline is not None:
            found |= dict.fromkeys((pipeline.name, *pipeline.aliases), pipeline)
    return dict(sorted(found.items()))


def task_of(artifact: ModelArtifact, task: str | None) -> str:
    """The task to run: the one asked for, or the one the model was made for.

    A model that comes with ``modules.json`` is a sentence encoder even if it is tagged
    ``feature-extraction``.

    Raises:
        InputError: None was asked for and the model does not tell.
    """
    if task is not None:
        return task
    is_encoder = (artifact.directory / "modules.json").is_file()
    if is_encoder and artifact.task in {None, "feature-extraction"}:
        return "sentence-embeddings"
    if artifact.task is None:
        raise InputError(
            f"the task of {artifact.name} cannot be told from its files",
            hint="name one, e.g. task='feature-extraction', or pass tensors",
        )
    return artifact.task


def pipeline_for(artifact: ModelArtifact, task: str | None = None) -> Pipeline:
    """The task on this model.

    Raises:
        UnknownTaskError: There is no pre- and post-processing of that name.
        InputError: The task cannot be told, or the model lacks what the task needs.
    """
    name = task_of(artifact, task)
    found = tasks().get(name)
    if found is None:
        raise UnknownTaskError(name, tasks())
    return found(artifact)
