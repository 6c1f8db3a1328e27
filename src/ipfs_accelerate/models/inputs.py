"""Realistic inputs for a component, made from its tensor specs and the model's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.models.artifact import ModelArtifact, TensorSpec

__all__ = ["default_sizes", "inputs_from_specs", "sample_inputs", "sequence_limit"]

_DEFAULT_SEQUENCE = 128
_DEFAULT_IMAGE = 224
_DEFAULT_AUDIO_S = 1.0
_SAMPLING_RATE_HZ = 16_000
_SIZE_KEYS = ("batch", "sequence", "past_sequence", "image", "audio_seconds")

# Spellings of dynamic dimensions found in published graphs → our size or sum of sizes.
_ALIASES: dict[str, tuple[str, ...]] = {
    "batch": ("batch",),
    "batch_size": ("batch",),
    "n": ("batch",),
    "image_batch": ("batch",),
    "audio_batch": ("batch",),
    "image_batch_size": ("batch",),
    "text_batch_size": ("batch",),
    "sequence": ("sequence",),
    "sequence_length": ("sequence",),
    "seq_len": ("sequence",),
    "seq_length": ("sequence",),
    "encoder_sequence": ("encoder_sequence",),
    "encoder_sequence_length": ("encoder_sequence",),
    "decoder_sequence_length": ("sequence",),
    "past_sequence": ("past_sequence",),
    "past_sequence_length": ("past_sequence",),
    "past_decoder_sequence_length": ("past_sequence",),
    "total_sequence": ("past_sequence", "sequence"),
    "total_sequence_length": ("past_sequence", "sequence"),
    "past_sequence_length + 1": ("past_sequence", "sequence"),
    "past_sequence_length + sequence_length": ("past_sequence", "sequence"),
    "image_height": ("image",),
    "image_width": ("image",),
    "height": ("image",),
    "width": ("image",),
    "samples": ("samples",),
    "audio_length": ("samples",),
    "num_channels": ("channels",),
    "channels": ("channels",),
}
# Where a dimension has no telling name: (prefix of the input's name, axis) → size.
_BY_AXIS: dict[tuple[str, int], tuple[str, ...]] = {
    ("input_ids", 1): ("sequence",),
    ("token_type_ids", 1): ("sequence",),
    ("position_ids", 1): ("sequence",),
    ("attention_mask", 1): ("past_sequence", "sequence"),
    ("pixel_values", 1): ("channels",),
    ("pixel_values", 2): ("image",),
    ("pixel_values", 3): ("image",),
    ("pixel_mask", 1): ("image",),
    ("pixel_mask", 2): ("image",),
    ("input_values", 1): ("samples",),
    ("past_key_values.", 2): ("past_sequence",),
}


def default_sizes(artifact: ModelArtifact, component: str) -> dict[str, int]:
    """Sizes a user would expect when none are given; only those the component depends on.

    Batch 1, 128 tokens (or the model's limit), no past, the configured image size, one second of
    audio.
    """
    specs = _specs(artifact, component)
    config = artifact.config
    defaults = {
        "batch": 1,
        "sequence": min(_DEFAULT_SEQUENCE, sequence_limit(config) or _DEFAULT_SEQUENCE),
        "past_sequence": 0,
        "image": _image_size(config),
        "audio_seconds": int(_DEFAULT_AUDIO_S),
    }
    used = {part for s in specs for n, d in enumerate(s.shape) for part in _parts(s, n, d) or ()}
    if "samples" in used:
        used.add("audio_seconds")
    if "encoder_sequence" in used and "max_source_positions" not in config:
        used.add("sequence")
    return {name: value for name, value in defaults.items() if name in used}


def sample_inputs(
    artifact: ModelArtifact,
    component: str,
    *,
    sizes: Mapping[str, int],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Inputs of one component.

    Args:
        artifact: A model with components.
        component: Which of them.
        sizes: ``batch``, ``sequence``, ``past_sequence`` (tokens), ``image`` (pixels per side),
            ``audio_seconds``, or a dynamic dimension by its own name; missing ones get defaults.
        rng: Where the values come from.

    Raises:
        UnknownNameError: No such component or size.
        InputError: A size is not positive or exceeds what the model can take.
    """
    specs = _specs(artifact, component)
    known = {d for s in specs for d in s.shape if isinstance(d, str)} | set(_SIZE_KEYS)
    for name in sizes:
        if name not in known:
            raise UnknownNameError(name, known)
    chosen = {**default_sizes(artifact, component), **sizes}
    return inputs_from_specs(specs, artifact.config, sizes=chosen, rng=rng)


def inputs_from_specs(
    specs: tuple[TensorSpec, ...],
    config: Mapping[str, object],
    *,
    sizes: Mapping[str, int],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Like `sample_inputs` for bare specs; every size the specs need must be given."""
    full = _complete(sizes, config)
    _check_sizes(full, config)
    shapes = {spec.name: _shape(spec, full) for spec in specs}
    return {spec.name: _fill(spec, shapes[spec.name], (config, full, rng)) for spec in specs}


def sequence_limit(config: Mapping[str, object]) -> int | None:
    """Longest sequence in tokens; ``None`` where the model has no limit of its own."""
    text = config.get("text_config")
    nested = text if isinstance(text, dict) else {}
    names = ("max_position_embeddings", "max_target_positions", "n_positions", "n_ctx")
    for source in (config, nested):
        for name in names:
            value = source.get(name)
            if isinstance(value, int) and value > 0 and not _is_relative(config):
                return value - _position_offset(config)
    return None


def _is_relative(config: Mapping[str, object]) -> bool:
    """T5 keeps ``n_positions`` in its configuration and has no limit."""
    return "relative_attention_num_buckets" in config


def _position_offset(config: Mapping[str, object]) -> int:
    """RoBERTa and its relatives count positions from behind the padding id."""
    text = config.get("text_config")
    kind = config.get("model_type")
    nested = text.get("model_type") if isinstance(text, dict) else None
    offset_families = {"roberta", "xlm-roberta", "camembert", "mpnet", "clap_text_model", "clap"}
    if kind not in offset_families and nested not in offset_families:
        return 0
    pad = config.get("pad_token_id", 1)
    return (pad if isinstance(pad, int) else 1) + 1


def _specs(artifact: ModelArtifact, component: str) -> tuple[TensorSpec, ...]:
    found = artifact.components.get(component)
    if found is None:
        raise UnknownNameError(component, artifact.components)
    return found.inputs


def _lookup(config: Mapping[str, object], name: str, *owners: str) -> object:
    """A field of the configuration or of one of its nested ones."""
    if config.get(name) is not None:
        return config[name]
    for owner in owners:
        nested = config.get(owner)
        if isinstance(nested, dict) and nested.get(name) is not None:
            return nested[name]
    return None


def _image_size(config: Mapping[str, object]) -> int:
    size = _lookup(config, "image_size", "vision_config", "backbone_config")
    if isinstance(size, (list, tuple)) and size:
        size = size[0]
    return size if isinstance(size, int) else _DEFAULT_IMAGE


def _complete(sizes: Mapping[str, int], config: Mapping[str, object]) -> dict[str, int]:
    channels = _lookup(config, "num_channels", "vision_config", "backbone_config")
    rate = _lookup(config, "sampling_rate", "audio_config")
    rate_hz = rate if isinstance(rate, int) else _SAMPLING_RATE_HZ
    seconds = sizes.get("audio_seconds", _DEFAULT_AUDIO_S)
    frames = config.get("max_source_positions")  # Whisper's encoder gives a fixed number
    derived = {
        "encoder_sequence": frames if isinstance(frames, int) else sizes.get("sequence", 1),
        "channels": channels if isinstance(channels, int) else 3,
        "samples": round(seconds * rate_hz),
    }
    return {**derived, **sizes}


def _check_sizes(sizes: Mapping[str, int], config: Mapping[str, object]) -> None:
    for name, value in sizes.items():
        smallest = 0 if name.startswith("past") else 1
        if name != "audio_seconds" and value < smallest:
            raise InputError(f"size {name}={value} is below {smallest}", details={"size": name})
    limit = sequence_limit(config)
    total = sizes.get("sequence", 0) + sizes.get("past_sequence", 0)
    if limit is not None and total > limit:
        raise InputError(
            f"{total} tokens exceed the model's limit of {limit}",
            hint=f"use a sequence of at most {limit} tokens",
            details={"tokens": total, "limit": limit},
        )


def _parts(spec: TensorSpec, axis: int, dim: int | str) -> tuple[str, ...] | None:
    """Sizes that add up to a dynamic dimension; ``None`` for a fixed or unknown one."""
    if isinstance(dim, int):
        return None
    if dim in _ALIASES:
        return _ALIASES[dim]
    if axis == 0:
        return ("batch",)
    hits = (v for (prefix, n), v in _BY_AXIS.items() if n == axis and spec.name.startswith(prefix))
    return next(hits, None)


def _shape(spec: TensorSpec, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(_size(spec, axis, sizes) for axis in range(len(spec.shape)))


def _size(spec: TensorSpec, axis: int, sizes: Mapping[str, int]) -> int:
    dim = spec.shape[axis]
    if isinstance(dim, int):
        return dim
    if dim in sizes:
        return sizes[dim]
    parts = _parts(spec, axis, dim)
    if parts is None:
        raise InputError(
            f"input {spec.name!r} has a dynamic dimension {dim!r} whose size is not known",
            hint=f"give a size named {dim!r}",
        )
    return sum(sizes.get(part, 0) for part in parts)


_Context = tuple["Mapping[str, object]", "Mapping[str, int]", np.random.Generator]


def _fill(spec: TensorSpec, shape: tuple[int, ...], context: _Context) -> np.ndarray:
    config, sizes, rng = context
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    if dtype.kind == "b":
        return np.zeros(shape, dtype)
    if "mask" in spec.name:
        return np.ones(shape, dtype)
    if "position" in spec.name:
        start = sizes.get("past_sequence", 0)
        return np.broadcast_to(np.arange(start, start + shape[-1], dtype=dtype), shape).copy()
    if "ids" in spec.name and "type" not in spec.name:
        return _token_ids(config, shape, rng).astype(dtype)
    return np.zeros(shape, dtype)


def _token_ids(
    config: Mapping[str, object], shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Ids of ordinary tokens; where the model pools at the end token, each row ends with it."""
    vocabulary = _lookup(config, "vocab_size", "text_config")
    high = vocabulary if isinstance(vocabulary, int) else 1000
    special = {_lookup(config, f"{name}_token_id", "text_config") for name in _SPECIAL}
    ids = rng.integers(min(1, high - 1), high, shape, dtype=np.int64)
    ordinary = next(i for i in range(high) if i not in special)
    ids[np.isin(ids, [i for i in special if isinstance(i, int)])] = ordinary
    end = _lookup(config, "eos_token_id", "text_config")
    if config.get("model_type") in {"clip", "altclip"} and isinstance(end, int) and shape[-1]:
        ids[..., -1] = end
    return ids


_SPECIAL = ("pad", "bos", "eos", "sep", "cls", "mask", "decoder_start")
