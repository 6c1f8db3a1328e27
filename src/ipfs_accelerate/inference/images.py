"""Images as the tensors a vision model takes, by its ``preprocessor_config.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ipfs_accelerate.errors import InputError, MissingExtraError, ModelFormatError
from ipfs_accelerate.inference.files import read_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

    from ipfs_accelerate.models import ModelArtifact

__all__ = ["ImageProcessor", "as_images"]

_BILINEAR = 2
_MAX_PIXELS = 178_956_970  # Pillow's own limit against decompression bombs


def as_images(inputs: object) -> tuple[list[Image], bool]:
    """One image or several as RGB, and whether it was one.

    Args:
        inputs: A path, a Pillow image, a ``uint8`` array ``[height, width]`` or
            ``[height, width, 3]``, or a list of them.

    Raises:
        InputError: It is none of these, or the file is no image.
        MissingExtraError: Pillow is not installed.
    """
    if isinstance(inputs, (list, tuple)):
        if not inputs:
            raise InputError("an empty list of images")
        return [_rgb(item) for item in inputs], False
    return [_rgb(inputs)], True


def _rgb(item: object) -> Image:
    library: Any = _pillow()
    if isinstance(item, (str, Path)):
        return _read(Path(item))
    if isinstance(item, np.ndarray):
        return _from_array(item)
    if isinstance(item, library.Image):
        return cast("Image", item).convert("RGB")
    raise InputError(
        f"expected an image, got {type(item).__name__}",
        hint="pass a path, a Pillow image or a uint8 array [height, width, 3]",
    )


def _read(path: Path) -> Image:
    library: Any = _pillow()
    try:
        with library.open(path) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise InputError(f"{path} has {image.width}x{image.height} pixels, too many")
            converted: Image = image.convert("RGB")
            return converted
    except (OSError, ValueError, library.DecompressionBombError) as error:
        raise InputError(f"cannot read an image from {path}: {error}") from error


def _from_array(array: np.ndarray) -> Image:
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in {1, 3, 4})
    if array.dtype != np.uint8 or not fits or 0 in array.shape:
        raise InputError(
            f"an image array must be uint8 [height, width, 3], not {array.dtype}{list(array.shape)}"
        )
    squeezed = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    image: Image = _pillow().fromarray(np.ascontiguousarray(squeezed)).convert("RGB")
    return image


def _pillow() -> Any:  # noqa: ANN401 (a module)
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("media", needed_for="image input", module="Pillow") from error
    return Image


@dataclass(frozen=True, slots=True)
class ImageProcessor:
    """Resize, crop, rescale, normalise, in this order, each where the model asks for it.

    Attributes:
        resize: ``(height, width)``, an int for the shorter edge, or ``None``.
        resample: Pillow's number of the filter.
        crop: ``(height, width)`` of the centre crop; ``None`` for none.
        scale: Factor on pixel values 0..255; ``None`` leaves them.
        mean: Per channel; ``None`` for no normalisation.
        std: Per channel.
    """

    resize: tuple[int, int] | int | None
    resample: int
    crop: tuple[int, int] | None
    scale: float | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None

    @classmethod
    def of(cls, artifact: ModelArtifact) -> ImageProcessor:
        """From the model's own ``preprocessor_config.json``.

        Raises:
            InputError: The model has none.
            ModelFormatError: It cannot be understood.
        """
        config = read_object(artifact.directory, "preprocessor_config.json")
        if not config:
            raise InputError(
                f"{artifact.name} has no preprocessor_config.json, so it cannot take images",
                hint="pass tensors (a mapping from input name to array)",
            )
        try:
            return cls._parse(config)
        except (TypeError, KeyError, ValueError) as error:
            where = artifact.directory / "preprocessor_config.json"
            raise ModelFormatError(f"{where} cannot be understood: {error}") from error

    @classmethod
    def _parse(cls, config: Mapping[str, Any]) -> ImageProcessor:
        normalizes = config.get("do_normalize", True) and "image_mean" in config
        resizes = config.get("do_resize", "size" in config)
        crops = config.get("do_center_crop", False)
        resize = _size(config["size"]) if resizes else None
        crop = _box(config["crop_size"]) if crops else None
        if crop is None and isinstance(resize, int) and "crop_pct" in config:
            resize, crop = _by_crop_share(resize, config["crop_pct"])
        return cls(
            resize=resize,
            resample=int(config.get("resample", _BILINEAR)),
            crop=crop,
            scale=config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else None,
            mean=_channels(config["image_mean"]) if normalizes else None,
            std=_channels(config["image_std"]) if normalizes else None,
        )

    def __call__(self, images: list[Image]) -> np.ndarray:
        """``float32[batch, 3, height, width]``.

        Raises:
            InputError: The images end up in different sizes.
        """
        arrays = [self._one(image) for image in images]
        if len({array.shape for array in arrays}) > 1:
            raise InputError(
                "images of one batch have different sizes", hint="pass them one by one"
            )
        return np.ascontiguousarray(np.stack(arrays))

    def _one(self, image: Image) -> np.ndarray:
        if self.resize is not None:
            height, width = _target_size(image, self.resize)
            image = image.resize((width, height), resample=self.resample)
        pixels = np.asarray(image, dtype=np.uint8)
        if self.crop is not None:
            pixels = _center_crop(pixels, *self.crop)
        values = pixels.astype(np.float32)
        if self.scale is not None:
            values = (pixels.astype(np.float64) * self.scale).astype(np.float32)
        if self.mean is not None and self.std is not None:
            mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
            values = (values - mean) / std
        return values.transpose(2, 0, 1)


def _size(size: Any) -> tuple[int, int] | int:  # noqa: ANN401 (JSON)
    if isinstance(size, int):
        return size, size
    if "shortest_edge" in size:
        return int(size["shortest_edge"])
    return _box(size)


def _box(size: Any) -> tuple[int, int]:  # noqa: ANN401 (JSON)
    if isinstance(size, int):
        return size, size
    return int(size["height"]), int(size["width"])


def _by_crop_share(edge: int, share: float) -> tuple[int | tuple[int, int], tuple[int, int] | None]:
    """ConvNeXt's rule: small images are resized larger and cropped, large ones squashed."""
    return (int(edge / share), (edge, edge)) if edge < 384 else ((edge, edge), None)


def _channels(values: Any) -> tuple[float, ...]:  # noqa: ANN401 (JSON)
    numbers = tuple(float(v) for v in values)
    if len(numbers) != 3:
        raise ValueError(f"expected three channels, got {len(numbers)}")
    return numbers


def _target_size(image: Image, resize: tuple[int, int] | int) -> tuple[int, int]:
    if isinstance(resize, tuple):
        return resize
    short, long = sorted((image.width, image.height))
    longer = int(resize * long / short)
    return (longer, resize) if image.height >= image.width else (resize, longer)


def _center_crop(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of an image, padded with black where it is smaller than the crop."""
    missing = max(0, height - pixels.shape[0]), max(0, width - pixels.shape[1])
    if any(missing):
        before = [(m + 1) // 2 for m in missing]
        pads = [(b, m - b) for b, m in zip(before, missing, strict=True)]
        pixels = np.pad(pixels, [*pads, (0, 0)])
    top = (pixels.shape[0] - height) // 2
    left = (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]
