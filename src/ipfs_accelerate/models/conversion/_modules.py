"""PyTorch modules with flat, named tensors in and out; loaded only when PyTorch is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache, EncoderDecoderCache
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import BaseModelOutput

from ipfs_accelerate.models.conversion.recipes import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.models.artifact import TensorSpec

__all__ = ["FlatModule"]

_Tensors = dict[str, torch.Tensor]


class FlatModule(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by the type checker
    """A model as a function of positional tensors.

    Floating inputs are cast to the model's dtype and floating outputs to float32, so that one
    signature serves every precision.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 (a transformers model)
        call: Call,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
    ) -> None:
        super().__init__()
        self.model = model
        self.eval()
        self._call = _CALLS[call]
        self._features = call.value if call.value.endswith("_features") else None
        self._input_names = tuple(spec.name for spec in inputs)
        self._output_names = tuple(spec.name for spec in outputs)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Outputs in the order of the component's specs, for inputs in that order."""
        dtype = self.model.dtype
        named = {
            name: tensor.to(dtype) if tensor.is_floating_point() else tensor
            for name, tensor in zip(self._input_names, tensors, strict=True)
        }
        if self._features:
            found = _features(self.model, self._features, named, self._output_names[0])
        else:
            found = self._call(self.model, named)
        results = (found[name] for name in self._output_names)
        return tuple(r.float() if r.is_floating_point() else r for r in results)


def _forward(model: Any, named: _Tensors) -> _Tensors:  # noqa: ANN401
    return dict(model(**named, return_dict=True))


def _features(model: Any, method: str, named: _Tensors, output: str) -> _Tensors:  # noqa: ANN401
    """One tower of a dual encoder, normalised as the joint forward pass does it."""
    result = getattr(model, method)(**named)
    embeds = getattr(result, "pooler_output", result)
    return {output: embeds / embeds.norm(p=2, dim=-1, keepdim=True)}


def _causal(model: Any, named: _Tensors) -> _Tensors:  # noqa: ANN401
    cache = _cache(named, "past_key_values")
    plain = {k: v for k, v in named.items() if not k.startswith("past_key_values.")}
    result = model(**plain, past_key_values=cache, use_cache=True, return_dict=True)
    return {"logits": result.logits, **_flat("present", result.past_key_values)}


def _encoder(model: Any, named: _Tensors) -> _Tensors:  # noqa: ANN401
    """Hidden states, and the keys and values every decoder layer attends to.

    One decoder step over an empty cache makes the latter whatever the family calls its
    projections; everything else of that step is dead code in an exported graph.
    """
    hidden = model.get_encoder()(**named, return_dict=True).last_hidden_state
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    start = torch.zeros(hidden.shape[0], 1, dtype=torch.int64, device=hidden.device)
    model(
        encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
        decoder_input_ids=start,
        past_key_values=cache,
        use_cache=True,
    )
    cross = _flat("cross_key_values", cache.cross_attention_cache)
    return {"last_hidden_state": hidden, **cross}


def _decoder(model: Any, named: _Tensors) -> _Tensors:  # noqa: ANN401
    cache = EncoderDecoderCache(_cache(named, "past_key_values"), _cache(named, "cross_key_values"))
    first = named["cross_key_values.0.key"]
    # Keys and values are cached: only the shape of the hidden states is looked at.
    hidden = first.new_zeros(1).expand(first.shape[0], first.shape[2], _width(model))
    cache.is_updated = dict.fromkeys(range(len(cache.self_attention_cache.layers)), True)
    result = model(
        encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
        attention_mask=named.get("encoder_attention_mask"),
        decoder_input_ids=named["input_ids"],
        past_key_values=cache,
        use_cache=True,
    )
    return {"logits": result.logits, **_flat("present", cache.self_attention_cache)}


def _width(model: Any) -> int:  # noqa: ANN401
    return int(model.config.hidden_size)


def _cache(named: _Tensors, prefix: str) -> DynamicCache:
    cache = DynamicCache()
    count = sum(name.startswith(f"{prefix}.") for name in named) // 2
    for index in range(count):
        key, value = (named[f"{prefix}.{index}.{part}"] for part in ("key", "value"))
        layer = DynamicLayer()
        layer.lazy_initialization(key, value)
        layer.keys, layer.values = key, value
        cache.layers.append(layer)
    return cache


def _flat(prefix: str, cache: Any) -> _Tensors:  # noqa: ANN401
    return {
        f"{prefix}.{index}.{part}": tensor
        for index, layer in enumerate(cache.layers)
        for part, tensor in (("key", layer.keys), ("value", layer.values))
    }


_CALLS = {
    Call.FORWARD: _forward,
    Call.CAUSAL: _causal,
    Call.ENCODER: _encoder,
    Call.DECODER: _decoder,
    Call.TEXT_FEATURES: _forward,
    Call.IMAGE_FEATURES: _forward,
    Call.AUDIO_FEATURES: _forward,
}
