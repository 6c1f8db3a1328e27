"""The inputs of a case: equal on every target, whatever order its graph lists them in."""

from __future__ import annotations

import dataclasses
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import AccelerateError, InputError
from ipfs_accelerate.models import Component

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.models import ModelArtifact, TensorSpec

__all__ = ["make_inputs", "read_lines", "work_of"]


def make_inputs(
    artifact: ModelArtifact,
    specs: Sequence[TensorSpec],
    *,
    sizes: Mapping[str, int],
    seed: int,
    input_file: str | None = None,
) -> dict[str, np.ndarray]:
    """Inputs for a loaded session.

    Each input is drawn by a generator of its own, seeded with its name, so that runtimes that list
    inputs in another order, or leave one out, get the same values.

    Args:
        artifact: The model.
        specs: What the session takes.
        sizes: ``batch`` and those of the case; sizes the model has no use for are left out.
        seed: Of the generators.
        input_file: Text to use instead, one item per line, repeated to fill the batch.

    Raises:
        InputError: A size does not fit the model, or the file cannot be used.
    """
    import numpy as np

    from ipfs_accelerate.models.inputs import default_sizes, sample_inputs

    found: dict[str, np.ndarray] = {}
    for spec in specs:
        single = dataclasses.replace(
            artifact, components={"model": Component("model", None, inputs=(spec,))}
        )
        used = {k: v for k, v in sizes.items() if k in default_sizes(single, "model")}
        rng = np.random.default_rng([seed, zlib.crc32(spec.name.encode())])
        found |= sample_inputs(single, "model", sizes=used, rng=rng)
    if input_file is not None:
        found |= _tokenized(artifact, found, input_file)
    return found


def work_of(
    artifact: ModelArtifact, inputs: Mapping[str, np.ndarray], settings: Settings | None
) -> dict[str, object]:
    """Arithmetic and bytes of one call, counted on the model's ONNX graph.

    Returns:
        ``work`` with ``flops`` and ``weight_bytes`` (those read whole), or ``why_no_work``.
    """
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.models.conversion import ensure_onnx
    from ipfs_accelerate.models.flops import count_work

    try:
        converted = ensure_onnx(artifact, settings=settings or load_settings())
        component = converted.components.get("model")
        if component is None or component.path is None:
            return {"why_no_work": f"{artifact.name} has no graph of a single call"}
        names = {spec.name for spec in component.inputs}
        shapes = {name: array.shape for name, array in inputs.items() if name in names}
        found = count_work(component.path, shapes)
    except AccelerateError as error:
        return {"why_no_work": error.message}
    looked_up = _looked_up_bytes(component.path)
    work = {"flops": found.flops, "weight_bytes": found.weight_bytes - looked_up}
    return {"work": work, "why_no_work": None}


def _looked_up_bytes(path: Path) -> int:
    """Bytes of weights of which a call reads only some rows (embedding tables)."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    sizes = {
        tensor.name: math.prod(tensor.dims)
        * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        for tensor in graph.initializer
    }
    tables = {n.input[0] for n in graph.node if n.op_type.startswith("Gather")}
    read_whole = {
        name
        for node in graph.node
        for index, name in enumerate(node.input)
        if index or not node.op_type.startswith("Gather")
    }
    return sum(size for name, size in sizes.items() if name in tables - read_whole)


def _tokenized(
    artifact: ModelArtifact, drawn: Mapping[str, np.ndarray], input_file: str
) -> dict[str, np.ndarray]:
    import numpy as np
    from tokenizers import Tokenizer

    if "input_ids" not in drawn:
        raise InputError(
            f"{artifact.name} takes no text: its inputs are {', '.join(drawn)}",
            hint="leave --input out; inputs are then drawn with --seed",
        )
    batch, length = drawn["input_ids"].shape
    lines = read_lines(input_file)
    path = artifact.directory / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{artifact.name} has no tokenizer.json", hint="leave --input out")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, **_padding(tokenizer))
    encoded = tokenizer.encode_batch([lines[i % len(lines)] for i in range(batch)])
    fields = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    return {
        name: np.array([getattr(e, field) for e in encoded], dtype=drawn[name].dtype)
        for name, field in fields.items()
        if name in drawn
    }


def _padding(tokenizer: object) -> dict[str, object]:
    padding = getattr(tokenizer, "padding", None) or {}
    return {k: padding[k] for k in ("pad_id", "pad_token", "pad_type_id") if k in padding}


def read_lines(input_file: str) -> list[str]:
    """Lines of a file that hold text.

    Raises:
        InputError: It cannot be read, or holds none.
    """
    try:
        text = Path(input_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {input_file!r}: {error}") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{input_file!r} holds no text")
    return lines
