"""Random and edge inputs on which a conversion is compared with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.models.inputs import inputs_from_specs, sequence_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ipfs_accelerate.models.artifact import TensorSpec

__all__ = ["Arrays", "iter_cases", "positions_from_mask"]

Arrays = dict[str, np.ndarray]

_LONG = 200
_SIZES: dict[str, dict[str, int]] = {
    "one row": {"batch": 1, "sequence": 12, "encoder_sequence": 9},
    "three rows": {"batch": 3, "sequence": 17, "encoder_sequence": 21},
    "length one": {"batch": 2, "sequence": 1, "encoder_sequence": 1},
    "long": {"batch": 1, "sequence": _LONG, "encoder_sequence": _LONG},
}
_IMAGE_SIZES = {
    "one row": {"image_height": 64, "image_width": 64},
    "three rows": {"image_height": 96, "image_width": 64},
    "long": {"image_height": 160, "image_width": 224},
}
_SAMPLES = {"one row": 4000, "three rows": 16_000, "length one": 400, "long": 48_000}


def iter_cases(
    inputs: tuple[TensorSpec, ...], config: Mapping[str, object]
) -> Iterator[tuple[str, Arrays]]:
    """Named inputs: batches, shortest and long ones, padding on each side, one token left.

    Components with a cache get each of them behind an empty and behind a filled past.
    """
    rng = np.random.default_rng(1)
    names = {dim for spec in inputs for dim in spec.shape if isinstance(dim, str)}
    pasts = (0, 6) if "past_sequence" in names else (0,)
    limit = sequence_limit(config) or _LONG
    for past in pasts:
        for title, sizes in _SIZES.items():
            full = _all_sizes(title, sizes, past, limit)
            arrays = inputs_from_specs(inputs, config, sizes=full, rng=rng)
            yield f"{title}, past {past}", arrays
        yield from _padded(inputs, config, past, rng)


def _all_sizes(title: str, sizes: Mapping[str, int], past: int, limit: int) -> dict[str, int]:
    images = _IMAGE_SIZES.get(title, _IMAGE_SIZES["one row"])
    full = {**sizes, **images, "past_sequence": past, "samples": _SAMPLES[title]}
    full["sequence"] = max(1, min(full["sequence"], limit - past))
    full["encoder_sequence"] = min(full["encoder_sequence"], limit)
    return {**full, "image_batch": full["batch"] + 1, "audio_batch": full["batch"] + 1}


def _padded(
    inputs: tuple[TensorSpec, ...],
    config: Mapping[str, object],
    past: int,
    rng: np.random.Generator,
) -> Iterator[tuple[str, Arrays]]:
    masks = [spec.name for spec in inputs if spec.name.endswith("attention_mask")]
    yield from _padded_images(inputs, config, rng)
    for title, hide in _HIDES.items() if masks else ():
        sizes = _all_sizes(
            "three rows", {"batch": 3, "sequence": 10, "encoder_sequence": 10}, past, 99
        )
        arrays = inputs_from_specs(inputs, config, sizes=sizes, rng=rng)
        for name in masks:
            hide(arrays[name])
        if "position_ids" in arrays:
            length = arrays["position_ids"].shape[1]
            arrays["position_ids"] = positions_from_mask(arrays[masks[0]])[:, -length:]
        yield f"{title}, past {past}", arrays


def _padded_images(
    inputs: tuple[TensorSpec, ...], config: Mapping[str, object], rng: np.random.Generator
) -> Iterator[tuple[str, Arrays]]:
    if not any(spec.name == "pixel_mask" for spec in inputs):
        return
    sizes = {"batch": 2, "image_height": 96, "image_width": 128}
    arrays = inputs_from_specs(inputs, config, sizes=sizes, rng=rng)
    arrays["pixel_mask"][0, :, 64:] = 0
    arrays["pixel_mask"][1, 32:] = 0
    yield "padded images", arrays


def positions_from_mask(mask: np.ndarray) -> np.ndarray:
    """Position of each token among those not masked; 0 where masked."""
    positions: np.ndarray = np.maximum(np.cumsum(mask, axis=1) - 1, 0) * (mask > 0)
    return positions


def _hide_left(mask: np.ndarray) -> None:
    mask[0, :4] = 0
    mask[1, :1] = 0


def _hide_right(mask: np.ndarray) -> None:
    mask[0, -4:] = 0
    mask[1, -1:] = 0


def _hide_all_but_last(mask: np.ndarray) -> None:
    mask[0, :-1] = 0


_HIDES: dict[str, Callable[[np.ndarray], None]] = {
    "padded left": _hide_left,
    "padded right": _hide_right,
    "all masked but one": _hide_all_but_last,
}
