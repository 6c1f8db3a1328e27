"""Proves that decoding with a cache equals a full forward pass and `transformers`' own loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ipfs_accelerate.errors import ParityError
from ipfs_accelerate.models.conversion._cases import Arrays, positions_from_mask
from ipfs_accelerate.models.conversion._parity import Differences, OnnxGraph
from ipfs_accelerate.models.conversion.recipes import Call
from ipfs_accelerate.models.inputs import inputs_from_specs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ipfs_accelerate.models.conversion.recipes import ComponentRecipe
    from ipfs_accelerate.models.conversion.source import SourceModel

__all__ = ["check_generation"]

_NEW_TOKENS = 8
_PADDING = 3


def check_generation(
    source: SourceModel, paths: Mapping[str, Path], differences: Differences
) -> dict[str, object] | None:
    """Decode greedily with the graphs and with `generate`, a left-padded row included.

    Returns:
        Steps and rows compared; ``None`` for models that do not generate.

    Raises:
        ParityError: The tokens differ although the choice was not a tie.
    """
    components = {c.call: c for c in source.recipe.components}
    steps: _CausalLoop | _SeqToSeqLoop
    if Call.CAUSAL in components:
        steps = _CausalLoop(source, components[Call.CAUSAL], paths)
    elif Call.DECODER in components:
        steps = _SeqToSeqLoop(source, components, paths)
    else:
        return None
    prompt = steps.prompt()
    expected = _generate(source, steps.generate_inputs(prompt), start=steps.start)
    rows = next(iter(prompt.values())).shape[0]
    tokens, logits = _decode(steps, prompt, expected)
    full = steps.full_logits(prompt, expected)
    differences.cases.append("decoding step by step")
    differences.add("decoding step by step", "decoding/logits", logits, full)
    tie = differences.tolerance.absolute * max(1.0, float(np.abs(full).max()))
    _refuse_other_tokens(tokens, expected, logits, tie)
    return {"rows": rows, "new_tokens": int(expected.shape[1]), "equal_to": "transformers generate"}


def _decode(
    steps: _CausalLoop | _SeqToSeqLoop, prompt: Arrays, expected: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Greedy choices and logits of each step, fed with the expected tokens."""
    columns = np.split(expected[:, :-1], expected.shape[1] - 1, axis=1)
    stacked = np.stack([steps.prefill(prompt), *map(steps.decode, columns)], axis=1)
    return stacked.argmax(-1), stacked


def _refuse_other_tokens(
    tokens: np.ndarray, expected: np.ndarray, logits: np.ndarray, tie: float
) -> None:
    for row, step in zip(*np.nonzero(tokens != expected), strict=True):
        gap = logits[row, step].max() - logits[row, step, expected[row, step]]
        if gap > tie:
            found, wanted = tokens[row, step], expected[row, step]
            raise ParityError(
                f"token {step} of row {row} is {found} instead of {wanted}",
                hint="the conversion was not kept; run the model on the torch runtime",
                details={"row": int(row), "step": int(step), "gap": float(gap)},
            )


def _generate(source: SourceModel, inputs: Arrays, *, start: int | None) -> np.ndarray:
    from transformers import GenerationConfig, GenerationMixin

    settings = GenerationConfig(
        max_new_tokens=_NEW_TOKENS,
        do_sample=False,
        num_beams=1,
        pad_token_id=0,
        decoder_start_token_id=start,
    )
    model: Any = source.model
    mixin: Any = GenerationMixin  # the exported classes are no subclasses of it
    saved, model.generation_config = model.generation_config, settings
    try:
        with torch.no_grad():
            tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
            tokens = mixin.generate(model, **tensors, generation_config=settings)
    finally:
        model.generation_config = saved
    return np.asarray(tokens.numpy()[:, -_NEW_TOKENS:])


class _CausalLoop:
    start: int | None = None

    def __init__(
        self, source: SourceModel, recipe: ComponentRecipe, paths: Mapping[str, Path]
    ) -> None:
        self._model = source.model
        self._config = source.config.to_dict()
        self._inputs, _ = source.ports(recipe)
        self._graph = OnnxGraph(paths[recipe.name])
        self._mask = np.empty((0, 0), np.int64)
        self._past: Arrays = {}

    def prompt(self) -> Arrays:
        sizes = {"batch": 2, "sequence": 9, "past_sequence": 0}
        rng = np.random.default_rng(2)
        arrays = inputs_from_specs(self._inputs, self._config, sizes=sizes, rng=rng)
        arrays["attention_mask"][1, :_PADDING] = 0
        arrays["position_ids"] = positions_from_mask(arrays["attention_mask"])
        return arrays

    def generate_inputs(self, prompt: Arrays) -> Arrays:
        return {name: prompt[name] for name in ("input_ids", "attention_mask")}

    def prefill(self, prompt: Arrays) -> np.ndarray:
        self._mask = prompt["attention_mask"]
        return self._step(prompt)

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        self._mask = np.concatenate([self._mask, np.ones_like(tokens)], axis=1)
        positions = positions_from_mask(self._mask)[:, -1:]
        fixed = {"input_ids": tokens, "attention_mask": self._mask, "position_ids": positions}
        return self._step({**fixed, **self._past})

    def _step(self, inputs: Arrays) -> np.ndarray:
        outputs = self._graph.run(inputs)
        self._past = _as_past(outputs)
        return np.asarray(outputs["logits"][:, -1])

    def full_logits(self, prompt: Arrays, tokens: np.ndarray) -> np.ndarray:
        ids = np.concatenate([prompt["input_ids"], tokens], axis=1)
        mask = np.concatenate([prompt["attention_mask"], np.ones_like(tokens)], axis=1)
        feed = {"input_ids": ids, "attention_mask": mask, "position_ids": positions_from_mask(mask)}
        logits = _forward(self._model, feed)
        return logits[:, -tokens.shape[1] - 1 : -1]


class _SeqToSeqLoop:
    def __init__(
        self,
        source: SourceModel,
        components: Mapping[Call, ComponentRecipe],
        paths: Mapping[str, Path],
    ) -> None:
        self._model = source.model
        self._config = source.config.to_dict()
        self._encoder_inputs, _ = source.ports(components[Call.ENCODER])
        self._decoder_inputs, _ = source.ports(components[Call.DECODER])
        self._encoder = OnnxGraph(paths["encoder"])
        self._decoder = OnnxGraph(paths["decoder"])
        self._fixed: Arrays = {}
        self._past: Arrays = {}
        self.start: int = int(source.config.decoder_start_token_id or 0)

    def prompt(self) -> Arrays:
        sizes = {"batch": 2, "encoder_sequence": 9}
        rng = np.random.default_rng(2)
        arrays = inputs_from_specs(self._encoder_inputs, self._config, sizes=sizes, rng=rng)
        if "attention_mask" in arrays:
            arrays["attention_mask"][1, -_PADDING:] = 0
        return arrays

    def generate_inputs(self, prompt: Arrays) -> Arrays:
        return prompt

    def prefill(self, prompt: Arrays) -> np.ndarray:
        wanted = {spec.name for spec in self._decoder_inputs}
        self._fixed = {k: v for k, v in self._encoder.run(prompt).items() if k in wanted}
        if "encoder_attention_mask" in wanted:
            self._fixed["encoder_attention_mask"] = prompt["attention_mask"]
        sizes = {"batch": 2, "sequence": 1, "past_sequence": 0, "encoder_sequence": 1}
        rng = np.random.default_rng(0)
        empty = inputs_from_specs(self._decoder_inputs, self._config, sizes=sizes, rng=rng)
        self._past = {k: v for k, v in empty.items() if k.startswith("past_key_values.")}
        return self.decode(np.full((2, 1), self.start, np.int64))

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        outputs = self._decoder.run({"input_ids": tokens, **self._fixed, **self._past})
        self._past = _as_past(outputs)
        return np.asarray(outputs["logits"][:, -1])

    def full_logits(self, prompt: Arrays, tokens: np.ndarray) -> np.ndarray:
        start = np.full((tokens.shape[0], 1), self.start, np.int64)
        ids = np.concatenate([start, tokens[:, :-1]], axis=1)
        return _forward(self._model, {**prompt, "decoder_input_ids": ids})


def _forward(model: Any, arrays: Arrays) -> np.ndarray:  # noqa: ANN401 (a transformers model)
    with torch.no_grad():
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return np.asarray(model(**tensors, use_cache=False).logits.numpy())


def _as_past(outputs: Arrays) -> Arrays:
    return {
        name.replace("present.", "past_key_values.", 1): array
        for name, array in outputs.items()
        if name.startswith("present.")
    }
