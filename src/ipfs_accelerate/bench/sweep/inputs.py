"""Inputs for any model, found from the signature of its ``forward`` and from what it complains of.

A builder makes the alternatives of one argument, from the configuration; the first set of
arguments with which the model runs is the one of the verdict.
"""

from __future__ import annotations

import inspect
import itertools
import re
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.bench.sweep.repairs import repairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ipfs_accelerate.bench.sweep.repairs import Repair

__all__ = ["InputsNotFoundError", "describe", "find_inputs"]

_BATCH, _TOKENS, _TARGET_TOKENS = 2, 8, 4
_MOST_REPAIRS = 4  # of one set of arguments, one after the other
_NOT_DATA = re.compile(
    r"labels|past_key|cache|return_|output_|kwargs|use_|inputs_embeds|loss|causal|session|temperature"
)


class InputsNotFoundError(Exception):
    """No set of arguments made the model run; the cause is the error of the first set."""


def find_inputs(
    model: Any,  # noqa: ANN401
    run: Callable[[dict[str, Any]], Any],
    *,
    most_attempts: int = 24,
) -> tuple[dict[str, Any], Any]:
    """Arguments with which the model runs, and what it returned.

    Args:
        model: A built model.
        run: Calls it.
        most_attempts: Sets that are tried.

    Raises:
        InputsNotFoundError: All sets failed.
    """
    return _Search(_Maker(model), run, most_attempts).first_that_runs()


class _Search:
    """Tries sets of arguments; what a complaint says about one is tried before the next set."""

    def __init__(self, maker: _Maker, run: Callable[[dict[str, Any]], Any], most: int) -> None:
        self._maker, self._run, self._most = maker, run, most
        self._error: Exception | None = None
        self._attempts = 0
        self._queue = [maker.first_names()]
        self._tried: set[str] = set()

    def first_that_runs(self) -> tuple[dict[str, Any], Any]:
        """See `find_inputs`."""
        seen: set[tuple[str, ...]] = set()
        while self._queue and self._attempts < self._most:
            names = self._queue.pop(0)
            if tuple(sorted(names)) not in seen:
                seen.add(tuple(sorted(names)))
                for inputs in self._maker.sets(names):
                    found = self._try(inputs, repairs_left=_MOST_REPAIRS)
                    if found:
                        return found
        raise InputsNotFoundError(f"tried {self._attempts} sets of inputs") from self._error

    def _try(
        self, inputs: dict[str, Any], *, repairs_left: int, before: str = "", kind: str = ""
    ) -> tuple[dict[str, Any], Any] | None:
        """Run it, then what it complains of changed, as long as the complaint changes."""
        shapes = f"{kind}{sorted(describe(inputs).items())}"
        if self._attempts >= self._most or shapes in self._tried:
            return None
        self._tried.add(shapes)
        self._attempts += 1
        try:
            return inputs, self._run(inputs)
        except Exception as error:  # noqa: BLE001 (a model may raise anything)
            self._error = self._error or error
            complaint = str(error)
            if complaint != before:
                self._queue += self._maker.further(list(inputs), error)
        if repairs_left and complaint != before:
            if before:
                self._maker.learn(inputs)
            for repaired, how in self._maker.repaired(inputs, complaint):
                found = self._try(
                    repaired, repairs_left=repairs_left - 1, before=complaint, kind=how
                )
                if found:
                    return found
        return None


def describe(inputs: dict[str, Any]) -> dict[str, str]:
    """Type and shape of every argument, e.g. ``int64[2,8]``."""
    return {
        name: f"{str(v.dtype).removeprefix('torch.')}[{','.join(map(str, v.shape))}]"
        if hasattr(v, "shape")
        else type(v).__name__
        for name, v in inputs.items()
    }


class _Maker:
    """Makes arguments of one model."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        import torch

        self._model = model
        self._config = model.config
        self._torch = torch
        self._generator = torch.Generator().manual_seed(0)
        self._learnt: dict[str, list[Any]] = {}
        signature = inspect.signature(model.forward).parameters.values()
        usual = [p for p in signature if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}]
        self._parameters = [p.name for p in usual]
        self._required = [p.name for p in usual if p.default is p.empty]

    def first_names(self) -> list[str]:
        """Arguments to begin with: the required ones, the main one and what belongs to it."""
        main = getattr(self._model, "main_input_name", "input_ids")
        names = [*self._required]
        if main in self._parameters and main not in names:
            names.append(main)
        if not names and self._parameters:
            names.append(self._parameters[0])
        has_decoder = "decoder_input_ids" in self._parameters
        if has_decoder and "decoder_input_ids" not in names:
            names.append("decoder_input_ids")
        return names

    def sets(self, names: list[str]) -> Iterator[dict[str, Any]]:
        """Every combination of the alternatives of these arguments, likely ones first."""
        choices = [self._alternatives(name) for name in names]
        if len(choices) == 1:
            combinations: Iterator[tuple[Any, ...]] = ((c,) for c in choices[0])
        else:
            combinations = itertools.islice(itertools.product(*choices), 12)
        for values in combinations:
            yield dict(zip(names, values, strict=True))

    def further(self, names: list[str], error: Exception) -> list[list[str]]:
        """Sets of arguments that the complaint asks for."""
        text = str(error)
        absent = [p for p in self._parameters if p not in names]
        named = [p for p in absent if re.search(rf"\b{re.escape(p)}\b", text) and "past" not in p]
        if named:
            return [[*names, name] for name in named] + [[*names, *named]]
        if "None" in text or isinstance(error, AttributeError):
            usable = [p for p in absent if self._can(p)]
            return [[*names, name] for name in usable] + [[*names, *usable[:2]]]
        return [[*names, "input_ids"]] if "input_ids" in absent else []

    def repaired(
        self, inputs: dict[str, Any], complaint: str
    ) -> Iterator[tuple[dict[str, Any], str]]:
        """The arguments with one made anew as the complaint suggests, and how that differs."""
        shapes = {name: tuple(v.shape) for name, v in inputs.items() if hasattr(v, "shape")}
        for repair in repairs(shapes, complaint):
            how = f"{repair.kind} {repair.name} " if repair.kind else ""
            yield {**inputs, repair.name: self._anew(inputs[repair.name], repair)}, how

    def _anew(self, value: Any, repair: Repair) -> Any:  # noqa: ANN401
        """Of another shape or type; what is constant, as a mask or a grid, stays so."""
        is_int = repair.kind == "int" or (repair.kind is None and not value.is_floating_point())
        if repair.kind == "bool":
            return value.bool()
        if repair.kind == "small":
            is_float = value.is_floating_point()
            return value.abs().clamp(max=0.9) if is_float else value.clamp(max=1)
        if value.numel() and bool((value == value.flatten()[0]).all()):
            filled = self._torch.full(repair.shape, value.flatten()[0].item())
            return filled.to(self._torch.int64 if is_int else self._torch.float32)
        if repair.kind == "float" and not value.is_floating_point():
            return value.float()
        if is_int:
            limit = _TOKENS if value.is_floating_point() else int(value.max()) + 1
            return self.integers(limit, *repair.shape)
        return self.normal(*repair.shape)

    def learn(self, inputs: dict[str, Any]) -> None:
        """These got further than others: other sets take them first."""
        for name, value in inputs.items():
            known = self._learnt.setdefault(name, [])
            if not any(k is value for k in known):
                known.insert(0, value)

    def _can(self, name: str) -> bool:
        return not _NOT_DATA.search(name)

    def _alternatives(self, name: str) -> list[Any]:
        make = next((m for pattern, m in _BUILDERS if re.search(pattern, name)), _Maker.hidden)
        return [*self._learnt.get(name, ())[:2], *make(self, name)]

    # --- values ---

    def find(self, *names: str, default: int) -> int:
        """The first of these fields, in the configuration or in those inside it."""
        for name in names:
            for config in _configs(self._config):
                value = getattr(config, name, None)
                if isinstance(value, (list, tuple)) and value and isinstance(value[0], int):
                    value = value[0]
                if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                    return value
        return default

    def normal(self, *shape: int) -> Any:  # noqa: ANN401
        """Floats around zero."""
        return self._torch.randn(shape, generator=self._generator)

    def integers(self, limit: int, *shape: int, low: int = 0) -> Any:  # noqa: ANN401
        """Integers from ``low`` to below ``limit``."""
        high = max(limit, low + 1)
        return self._torch.randint(low, high, shape, generator=self._generator)

    def tokens(self, name: str) -> Iterator[Any]:
        """Token ids below the vocabulary, without the special ones at both of its ends."""
        vocabulary = self.find("vocab_size", "text_vocab_size", "codebook_size", default=64)
        low, high = (5, min(vocabulary, 500)) if vocabulary > 16 else (0, vocabulary)
        count = _TARGET_TOKENS if name.startswith("decoder") else _TOKENS
        yield self.integers(high, _BATCH, count, low=low)
        books = self.find("num_codebooks", "num_channels", "n_codes_total", default=0)
        if books:
            yield self.integers(high, _BATCH, count, books, low=low)
            yield self.integers(high, _BATCH, books, count, low=low)
            yield self.integers(high, _BATCH * books, count, low=low)
        yield self.integers(high, _BATCH, 64, low=low)

    def pixels(self, _name: str) -> Iterator[Any]:
        """Images, videos, and the flat patches of models with images of any size."""
        channels = self.find("num_channels", "in_channels", "in_chans", default=3)
        side = self.find("image_size", "img_size", "input_size", default=64)
        frames = self.find("num_frames", "frames_per_clip", "tubelet_size", default=2)
        patch = self.find("patch_size", default=14)
        yield self.normal(_BATCH, channels, side, side)
        if channels != 3:
            yield self.normal(_BATCH, 3, side, side)
        yield self.normal(_BATCH, frames, channels, side, side)
        depth = self.find("temporal_patch_size", default=1)
        yield self.normal(16, channels * depth * patch * patch)
        yield self.normal(1, 16, channels * depth * patch * patch)
        yield self.normal(_BATCH, 2, channels, side, side)
        yield self.normal(_BATCH, channels, 224, 224)
        yield self.normal(_BATCH, channels, 64, 64)
        yield self.normal(16, channels, patch, patch)
        yield self.normal(1, 16, channels, patch, patch)

    def grid(self, _name: str) -> Iterator[Any]:
        """One image of 4 × 4 patches."""
        tensor = self._torch.tensor
        yield tensor([[1, 4, 4]])
        yield tensor([[4, 4]])
        yield tensor([[4, 4]] * _BATCH)

    def mel(self, _name: str) -> Iterator[Any]:
        """Spectrograms, time last or first."""
        names = ("num_mel_bins", "feature_size", "n_mels", "input_feat_per_channel", "mel_bins")
        bins = self.find(*names, "input_channels", "input_dim", "input_size", default=80)
        frames = 2 * self.find("max_source_positions", default=50)
        yield self.normal(_BATCH, bins, frames)
        yield self.normal(_BATCH, frames, bins)
        yield self.normal(_BATCH, 1, self.find("spec_size", default=256), bins)
        yield self.normal(bins, frames)
        yield self.normal(_BATCH, self.find("max_length", default=128), bins)
        yield self.normal(_BATCH, 1, 4000)
        yield self.normal(_BATCH, 4000)

    def wave(self, name: str) -> Iterator[Any]:
        """Sound at 16 kHz; some models call spectrograms so too."""
        yield self.normal(_BATCH, 4000)
        yield self.normal(_BATCH, self.find("audio_channels", default=1), 4000)
        yield from self.mel(name)
        yield self.integers(1, _BATCH, _TOKENS)

    def ones(self, name: str) -> Iterator[Any]:
        """A mask that hides nothing, of texts, images or frames."""
        side = self.find("image_size", default=64)
        count = _TARGET_TOKENS if name.startswith("decoder") else _TOKENS
        shape = (_BATCH, side, side) if "pixel" in name else (_BATCH, count)
        yield self._torch.ones(shape, dtype=self._torch.int64)
        yield self._torch.ones((_BATCH, 100), dtype=self._torch.int64)

    def boxes(self, _name: str) -> Iterator[Any]:
        """Rectangles of words, from top left to bottom right."""
        corner = self.integers(100, _BATCH, _TOKENS, 2)
        yield self._torch.cat([corner, corner + 50], dim=-1)

    def positions(self, name: str) -> Iterator[Any]:
        """Consecutive places of tokens, or rows and columns of patches."""
        if "pixel" in name or "patch" in name:
            places = self._torch.arange(16)
            yield self._torch.stack([places // 4, places % 4], dim=-1)[None]
        yield self._torch.arange(_TOKENS).repeat(_BATCH, 1)
        yield self._torch.arange(_TOKENS)

    def hidden(self, name: str) -> Iterator[Any]:
        """Hidden states, what parts of larger models take, or the patches of an image."""
        patch = self.find("patch_size", "spatial_patch_size", default=0)
        if patch:
            channels = self.find("in_channels", "in_chans", "num_channels", default=3)
            depth = self.find("temporal_patch_size", default=1)
            yield self.normal(16, channels * depth * patch * patch)
        own = ("encoder_hidden_size", "cross_attention_hidden_size") if "encoder" in name else ()
        width = self.find(
            *own, "hidden_size", "d_model", "embed_dim", "hidden_dim", "dim", default=32
        )
        yield self.normal(_BATCH, _TOKENS, width)
        yield self.normal(_BATCH * _TOKENS, width)
        yield self.normal(_BATCH, width, _TOKENS)
        yield self.normal(_BATCH, width, 8, 8)

    def episode(self, name: str) -> Iterator[Any]:
        """States, actions and rewards of a decision process."""
        sizes = {"states": "state_dim", "actions": "act_dim"}
        width = self.find(sizes[name], default=4) if name in sizes else 1
        yield self.normal(_BATCH, _TOKENS, width)

    def number(self, _name: str) -> Iterator[Any]:
        """Which codebook or layer."""
        yield 2
        yield 1

    def series(self, _name: str) -> Iterator[Any]:
        """Past values of time series."""
        length = self.find("context_length", "prediction_length", default=24)
        lags = [getattr(c, "lags_sequence", None) for c in _configs(self._config)]
        longest = max(next((lag for lag in lags if lag), [0]))
        channels = self.find("num_input_channels", "input_size", "num_time_features", default=1)
        plain, wide = (_BATCH, length + longest), (_BATCH, length + longest, channels)
        for shape in (plain, wide) if longest else (wide, plain):
            yield self.normal(*shape)

    def times(self, name: str) -> Iterator[Any]:
        """Features of points in time, as many as the values they belong to."""
        features = self.find("num_time_features", default=1)
        if name.startswith("future"):
            yield self.normal(_BATCH, self.find("prediction_length", default=4), features)
        else:
            past = next(self.series(name))
            yield self.normal(_BATCH, past.shape[1], features)

    def observed(self, name: str) -> Iterator[Any]:
        """Nothing is missing in a series."""
        for past in self.series(name):
            yield self._torch.ones_like(past)


def _configs(config: Any) -> Iterator[Any]:  # noqa: ANN401
    yield config
    for name in getattr(config, "sub_configs", ()):
        inner = getattr(config, name, None)
        if inner is not None:
            yield from _configs(inner)


_BUILDERS: tuple[tuple[str, Callable[[_Maker, str], Iterator[Any]]], ...] = (
    (r"observed_mask", _Maker.observed),
    (r"^(?:past|future)_time_features|^future_values", _Maker.times),
    (r"^past_values|^time_series", _Maker.series),
    (r"mask$", _Maker.ones),
    (r"^(?:states|actions|rewards|returns_to_go)$", _Maker.episode),
    (r"codebook_idx|layer_idx", _Maker.number),
    (r"grid_thw|spatial_shapes|grid_hw|image_sizes|target_sizes", _Maker.grid),
    (r"bbox|boxes", _Maker.boxes),
    (r"position_ids|pixel_position|timesteps?$|cache_position", _Maker.positions),
    (r"(?:^|_)ids$|^codes$|audio_codes|token_ids|input_tokens", _Maker.tokens),
    (r"pixel|image|video", _Maker.pixels),
    (r"input_features|spectrogram|mel", _Maker.mel),
    (r"input_values|waveform|audio|speech", _Maker.wave),
)
