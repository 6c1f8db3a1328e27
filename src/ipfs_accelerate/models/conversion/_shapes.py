"""Puts the numbers of a configuration into the shapes of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import ConversionError
from ipfs_accelerate.models.artifact import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["resolve_ports"]


def _head_dim(config: Any) -> int:  # noqa: ANN401 (a configuration of any family)
    explicit = getattr(config, "head_dim", None) or getattr(config, "d_kv", None)
    return int(explicit or config.hidden_size // config.num_attention_heads)


def _kv_heads(config: Any) -> int:  # noqa: ANN401
    names = ("num_key_value_heads", "decoder_attention_heads", "num_heads", "num_attention_heads")
    return int(next(v for n in names if (v := getattr(config, n, None)) is not None))


def _layers(config: Any) -> int:  # noqa: ANN401
    names = ("num_decoder_layers", "decoder_layers", "num_hidden_layers", "num_layers")
    return int(next(v for n in names if (v := getattr(config, n, None)) is not None))


def _image_size(config: Any) -> int | str:  # noqa: ANN401
    size = getattr(config, "image_size", None) or config.vision_config.image_size
    return int(size) if isinstance(size, int) else int(size[0])


def _channels(config: Any) -> int:  # noqa: ANN401
    owner = config
    for name in ("vision_config", "backbone_config"):
        owner = getattr(owner, name, None) or owner
    return int(getattr(owner, "num_channels", None) or config.num_channels)


def _input_frames(config: Any) -> int:  # noqa: ANN401
    if hasattr(config, "max_source_positions"):
        return 2 * int(config.max_source_positions)  # the stem halves the rate
    audio = config.audio_config
    return int(audio.spec_size * audio.spec_size // audio.num_mel_bins)


def _mel_bins(config: Any) -> int:  # noqa: ANN401
    return int(getattr(config, "num_mel_bins", None) or config.audio_config.num_mel_bins)


_DERIVED: dict[str, Callable[[Any], int | str]] = {
    "head_dim": _head_dim,
    "num_key_value_heads": _kv_heads,
    "image_size": _image_size,
    "num_channels": _channels,
    "input_frames": _input_frames,
    "num_mel_bins": _mel_bins,
    "num_scores": lambda config: int(config.num_labels) + 1,  # one for "no object"
}


def resolve_ports(ports: tuple[TensorSpec, ...], config: Any) -> tuple[TensorSpec, ...]:  # noqa: ANN401
    """Ports with every ``$field`` a number and one copy per layer where the name has ``{i}``.

    Args:
        ports: As written in a recipe.
        config: A ``transformers`` configuration.

    Raises:
        ConversionError: The configuration lacks a field the recipe needs.
    """
    layered = [port for port in ports if "{i}" in port.name]
    plain_before = _until_layered(ports)
    repeated = [
        TensorSpec(port.name.format(i=i), port.dtype, port.shape)
        for group in _groups(layered)
        for i in range(_layers(_decoder(config)))
        for port in group
    ]
    flat = [*ports[:plain_before], *repeated]
    return tuple(TensorSpec(p.name, p.dtype, _shape(p, config)) for p in flat)


def _until_layered(ports: tuple[TensorSpec, ...]) -> int:
    return next((n for n, port in enumerate(ports) if "{i}" in port.name), len(ports))


def _groups(layered: list[TensorSpec]) -> list[list[TensorSpec]]:
    stems = dict.fromkeys(port.name.partition("{i}")[0] for port in layered)
    return [[p for p in layered if p.name.startswith(stem)] for stem in stems]


def _decoder(config: Any) -> Any:  # noqa: ANN401
    return getattr(config, "text_config", None) or config


def _shape(port: TensorSpec, config: Any) -> tuple[int | str, ...]:  # noqa: ANN401
    return tuple(
        _value(dim[1:], port, config) if isinstance(dim, str) and dim.startswith("$") else dim
        for dim in port.shape
    )


def _value(field: str, port: TensorSpec, config: Any) -> int | str:  # noqa: ANN401
    owner = _decoder(config) if field in {"hidden_size", "vocab_size", "head_dim"} else config
    if "key_values" in port.name or port.name.startswith("present."):
        owner = _decoder(config)
    try:
        derived = _DERIVED.get(field)
        return derived(owner) if derived else int(getattr(owner, field))
    except (AttributeError, StopIteration, TypeError) as error:
        raise ConversionError(
            f"the configuration of {type(config).__name__} lacks what {port.name!r} needs: {field}",
            details={"field": field, "port": port.name},
        ) from error
