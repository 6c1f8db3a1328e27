"""Seeded random weights of real `transformers` configurations, clearly named so.

For trying machines and runtimes on an architecture without its trained weights: the cost of a run
does not depend on the values.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import InputError, MissingExtraError, UnknownNameError
from ipfs_accelerate.models import _architectures as known

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["architectures", "create"]


def architectures() -> list[str]:
    """Every name `create` accepts, sorted."""
    names = []
    for name, entry in known.ARCHITECTURES.items():
        names += [name, *(f"{name}-{head}" for head in entry.heads)]
    return sorted(names)


def create(architecture: str, *, seed: int, size: str, directory: Path) -> Path:
    """Write a model with random weights; equal arguments write equal bytes.

    Args:
        architecture: ``bert``, ``bert-token-classification``, ``whisper``, … (`architectures`).
        seed: Of the weights, 0 or more.
        size: ``tiny`` (seconds to convert) or ``base`` (the published base dimensions).
        directory: Where to; it appears complete or not at all.

    Returns:
        ``directory``.

    Raises:
        UnknownNameError: No such architecture or size.
        InputError: The seed is negative or ``directory`` exists already.
        MissingExtraError: PyTorch or transformers is not installed.
    """
    entry, head = _find(architecture)
    if size not in entry.sizes:
        raise UnknownNameError(size, entry.sizes)
    if seed < 0:
        raise InputError(f"seed {seed} is negative")
    directory = Path(directory)
    if directory.exists():
        raise InputError(f"{directory} exists already", hint="name a new folder")
    if (
        importlib.util.find_spec("torch") is None
        or importlib.util.find_spec("transformers") is None
    ):
        raise MissingExtraError("torch", needed_for="making random weights")
    directory.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        _write(entry, head, (size, seed), building)
        building.rename(directory)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return directory


def _find(architecture: str) -> tuple[known.Architecture, str | None]:
    for name, entry in known.ARCHITECTURES.items():
        if architecture == name:
            return entry, None
        head = architecture.removeprefix(f"{name}-")
        if head != architecture and head in entry.heads:
            return entry, head
    raise UnknownNameError(architecture, architectures())


def _write(
    entry: known.Architecture, head: str | None, recipe: tuple[str, int], directory: Path
) -> None:
    from ipfs_accelerate.models import _synthetic_tokenizers as tokenizers

    size, seed = recipe
    fields = dict(entry.sizes[size])
    if entry.tokenizer:
        ids = tokenizers.write(entry.tokenizer, directory, max_length=entry.max_length)
        fields = known.with_token_ids(fields, ids, nested=entry.nested_text)
    model = _model(entry, head, fields, seed)
    with _quiet():
        model.save_pretrained(directory)
    if entry.preprocessor:
        _write_json(directory / "preprocessor_config.json", entry.preprocessor(model.config))
    _write_json(directory / "weights.json", {"weights": f"random(seed={seed})"})


def _model(
    entry: known.Architecture, head: str | None, fields: Mapping[str, object], seed: int
) -> Any:  # noqa: ANN401 (a transformers model)
    import torch
    import transformers

    config = transformers.AutoConfig.for_model(entry.model_type, **fields)
    auto = getattr(transformers, entry.heads[head] if head else entry.default_class)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return auto.from_config(config).eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar for a file of a few kilobytes."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
