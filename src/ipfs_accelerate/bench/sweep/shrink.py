"""Configurations made tiny by rules on the names of their fields.

Nothing here knows a model. Widths are divided by one power of two in the whole tree of
configurations, so that what was equal or a multiple stays so; heads stay as they are. Where a model
does not take that, weaker levels leave more of the published configuration.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Rule = Callable[[str, int], int | None]

__all__ = ["LEVELS", "Level", "shrunk"]


@dataclass(frozen=True, slots=True)
class Level:
    """What is made smaller.

    Attributes:
        name: As it is reported.
        widths: Hidden sizes and what is measured in them: ``narrow heads`` keeps the count of
            heads, ``few heads`` their width; ``None`` keeps both.
        depth: At most so many layers; ``None`` keeps them.
        images: Sides of images.
        tables: Vocabularies, positions and experts.
        fills: Whether fields without a value, which nothing can be built without, get one.
    """

    name: str
    widths: str | None
    depth: int | None
    images: bool
    tables: bool
    fills: bool = False


#: From tiny to as published; the first that runs gives the verdict.
LEVELS = (
    Level("tiny", "narrow heads", 2, images=True, tables=True),
    Level("few heads", "few heads", 4, images=True, tables=True),
    Level("few heads, filled", "few heads", 4, images=True, tables=True, fills=True),
    Level("narrow, all layers", "narrow heads", None, images=True, tables=True),
    Level("narrow", "few heads", 2, images=False, tables=True),
    Level("shallow", None, 2, images=False, tables=True),
    Level("as published", None, None, images=False, tables=False),
)

_WIDTH = re.compile(
    r"hidden_sizes?$|hidden_dims?$|hidden_channels$|d_model$|n_embd$|embeds?_dims?$|embedding_"
    r"(?:size|dim)$|(?:^|_)dims?$|^dim_|d_ff$|d_kv$|d_inner$|ffn?_dim|ffw?_|intermediate|inner_dim|"
    r"proj(?:ection)?_(?:dim|size)|(?:^|_)width$|mlp_size|lora_rank$|_rank$|d_embed$|d_head$|"
    r"hidden_(?:states|features)|dim_(?:model|ff)|channels_list|output_size$|feedforward|"
    r"feed_forward|n_inner$|hidden$|conv_dim|embds_dim|mrope_section|(?:feature|mask|fpn)_size$"
)
_DEPTH = re.compile(
    r"(?:^|_)(?:num_|n_)?(?:hidden_|encoder_|decoder_)?(?:layers?|blocks)$|"
    r"^depths?$|_depths?$|num_.*_layers$|layers_block_nums|num_stages_layers"
)
_NOT_DEPTH = re.compile(r"feat_extract|conv_layers|fpn|upsampl|feature_layer|adapter|num_stages")
_LAYER_INDEX = re.compile(r"(?:vision_feature|vision_select|mm_vision_select|select)_layers?$")
_VOCABULARY = re.compile(r"vocab_size")
_POSITIONS = re.compile(r"^(?:max_position_embeddings|n_positions|n_ctx|max_target_positions)$")
_EXPERTS = re.compile(r"^(?:n|num)_(?:local_|routed_)?experts$|^moe_num_experts$")
_CHOSEN_EXPERTS = re.compile(r"experts_per_tok|^moe_(?:topk|top_k|k)$|^top_?k_experts$")
_GROUPS = re.compile(r"^(?:n_group|topk_group)$")
_IMAGE = re.compile(r"^(?:image|img|input|spatial)_(?:size|height|width)$|^crop_size$")
_TOKEN = re.compile(r"(?:token|tok)_(?:id|ids|index)$|^(?:image|video|audio)_(?:start|end)_id$")
_VOCABULARY_SIZE, _POSITION_COUNT, _FRAME_POSITIONS = 1024, 512, 64
_EXPERT_COUNT, _CHOSEN_COUNT = 4, 2
_TARGET_WIDTH, _HEADED_WIDTH, _SMALLEST_WIDTH, _LARGE_WIDTH = 96, 256, 8, 128
_OF_HEAD = re.compile(r"head_dim|d_kv$|d_head$|head_size|mrope|rope|_rank$")
_HEAD_COUNT = re.compile(r"(?:num|n)(?:_\w+)?_heads?$|attention_heads$|key_value_heads$")
#: Values of fields that have none and without which nothing can be built.
_FILLED: dict[str, Any] = {
    "vocab_size": 1024,
    "prediction_length": 8,
    "num_experts_per_tok": 2,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
    "vocabulary_map": {"<image>": 5},
}
#: The same where something can be built without, too: only where it cannot.
_FILLED_IF_NEEDED: dict[str, Any] = {"sliding_window": 16, "prediction_length": 8}
#: Values by the number of a layer: without them all layers are alike.
_BY_LAYER = {"per_layer_config"}
_HIDDEN = ("hidden_size", "d_model", "n_embd", "embed_dim", "dim")
_HEADS = ("num_attention_heads", "n_head", "num_heads", "encoder_attention_heads")


def shrunk(config_class: Any, level: Level) -> Any:  # noqa: ANN401 (of transformers)
    """A configuration at a level; `transformers` fills in what depends on other fields."""
    published = config_class()
    rules = _rules(published, level)
    small = _small_fields(published, rules)
    return config_class(**({**_fills(published, small), **small} if level.fills else small))


def _fills(config: Any, small: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Values of fields that are still empty, from the others."""
    heads, width = _first(config, _HEADS), _first(config, _HIDDEN)
    small_heads = next((small[n] for n in _HEADS if n in small), heads)
    small_width = next((small[n] for n in _HIDDEN if n in small), width)
    found: dict[str, Any] = dict(_FILLED_IF_NEEDED)
    found["num_key_value_heads"] = small_heads
    found["head_dim"] = small_width // small_heads if small_width and small_heads else None
    rope, head = _value(config, "rope_parameters", None), small.get("head_dim")
    head = head or found["head_dim"]
    if isinstance(rope, dict) and head and "rope_type" in rope:
        # Text, height and width of multimodal rotary positions share half a head.
        part = int(head * rope.get("partial_rotary_factor", 1)) // 2
        sections = [part - 2 * (part // 3), part // 3, part // 3]
        small["rope_parameters"] = {**rope, "mrope_section": sections}
    found["layer_types"] = ["full_attention"] * (_layer_count(small) or 0)
    found["mlp_layer_types"] = ["dense"] * (_layer_count(small) or 0)
    empty = {f.name for f in fields(config) if _value(config, f.name, None) is None}
    filled = {name: value for name, value in found.items() if value and name in empty}
    for name, value in _stated(config):
        if hasattr(value, "to_dict") and isinstance(small.get(name), dict):
            small[name] = {**_fills(value, small[name]), **small[name]}
    return filled


def _rules(config: Any, level: Level) -> list[Rule]:  # noqa: ANN401
    """Functions of a field's name and value, the first that answers wins."""
    found: list[Rule] = []
    if level.tables:
        found.append(_token_rule(config))
        found.append(_table_rule)
    if level.depth:
        found.append(_index_rule(level.depth))
        found.append(_depth_rule(level.depth))
    if level.images:
        found.append(_image_rule(config))
    if level.widths:
        found.append(_width_rule(config, keeps_heads=level.widths == "few heads"))
    return found


def _small_fields(config: Any, rules: list[Rule]) -> dict[str, Any]:  # noqa: ANN401
    small: dict[str, Any] = {}
    layers = _layer_count(config)
    for name, value in _stated(config):
        if hasattr(value, "to_dict"):
            kept = {"model_type": value.model_type} | _outputs_of(value)
            small[name] = {**kept, **_small_fields(value, rules)}
        else:
            small[name] = _shrink(name, value, rules)
    return {name: _cut(value, layers, _layer_count(small)) for name, value in small.items()}


def _outputs_of(backbone: Any) -> dict[str, Any]:  # noqa: ANN401
    """Which stages a backbone hands on; not a field, yet its owner counts on it."""
    stages = _value(backbone, "out_features", None)
    return {"out_features": list(stages)} if stages else {}


def _stated(config: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Fields whose value is not one that `transformers` derives from others."""
    for field in fields(config):
        has_default = field.default is not MISSING and field.default is not None
        value = _value(config, field.name, field.default if has_default else None)
        if value is None:
            value = _FILLED.get(field.name)
            has_default = value is not None
        has_factory = field.default_factory is not MISSING
        is_stated = has_default or has_factory or hasattr(value, "to_dict")
        if value is not None and is_stated and field.name not in _BY_LAYER:
            yield field.name, value


def _value(config: Any, name: str, default: Any) -> Any:  # noqa: ANN401
    """A field; its default where layers have values of their own and the whole has none."""
    try:
        return getattr(config, name, default)
    except Exception:  # noqa: BLE001 (a property of a configuration may raise anything)
        return default


def _shrink(name: str, value: Any, rules: list[Rule]) -> Any:  # noqa: ANN401
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        found = (rule(name, value) for rule in rules)
        return next((v for v in found if v is not None), value)
    if isinstance(value, (list, tuple)) and value:
        return type(value)(_shrink(name, item, rules) for item in value)
    if isinstance(value, dict):
        return {key: _shrink(str(key), item, rules) for key, item in value.items()}
    return value


def _layer_count(found: Any) -> int | None:  # noqa: ANN401 (a configuration or its fields)
    name = "num_hidden_layers"
    value = found.get(name) if isinstance(found, dict) else _value(found, name, None)
    return value if isinstance(value, int) else None


def _cut(value: Any, published: int | None, small: int | None) -> Any:  # noqa: ANN401
    """A list with an entry for each layer has one for each layer that is left."""
    is_by_layer = isinstance(value, (list, tuple)) and len(value) == published
    return value[:small] if is_by_layer and small and published and published > 2 else value


def _table_rule(name: str, value: int) -> int | None:
    limits = (
        (_VOCABULARY, _VOCABULARY_SIZE),
        (_POSITIONS, _POSITION_COUNT),
        (re.compile(r"^max_source_positions$"), _FRAME_POSITIONS),
        (_EXPERTS, _EXPERT_COUNT),
        (_CHOSEN_EXPERTS, _CHOSEN_COUNT),
        (_GROUPS, 1),
    )
    return next((min(value, limit) for pattern, limit in limits if pattern.search(name)), None)


def _depth_rule(depth: int) -> Rule:
    def rule(name: str, value: int) -> int | None:
        is_depth = _DEPTH.search(name) and not _NOT_DEPTH.search(name)
        return min(value, depth) if is_depth else None

    return rule


def _index_rule(depth: int) -> Rule:
    """A layer whose output is taken is one of those that are left."""

    def rule(name: str, value: int) -> int | None:
        is_index = _LAYER_INDEX.search(name)
        return max(-depth, min(value, depth - 1)) if is_index else None

    return rule


def _token_rule(config: Any) -> Rule:  # noqa: ANN401
    """Token ids beyond the small vocabulary become its last ones, each another."""
    values = {v for name, v in _integers(config) if _TOKEN.search(name) and v >= _VOCABULARY_SIZE}
    places = {v: _VOCABULARY_SIZE - 1 - n for n, v in enumerate(sorted(values))}
    return lambda name, value: places.get(value) if _TOKEN.search(name) else None


def _image_rule(config: Any) -> Rule:  # noqa: ANN401
    patches = [v for name, v in _integers(config) if name.endswith("patch_size") and v >= 8]
    side = 4 * max(patches) if patches else 64
    return lambda name, value: min(value, side) if _IMAGE.search(name) and value > 32 else None


def _width_rule(
    config: Any,  # noqa: ANN401
    *,
    keeps_heads: bool,
) -> Rule:
    factor = _factor(config, keeps_heads=keeps_heads)

    def rule(name: str, value: int) -> int | None:
        if keeps_heads and _OF_HEAD.search(name):
            return None
        if keeps_heads and _HEAD_COUNT.search(name):
            return max(1, value // factor)
        if keeps_heads and name.endswith("intermediate_size") and value >= _LARGE_WIDTH:
            return max(8, value // factor // 8 * 8)
        divisor = (8 if keeps_heads else 2) * factor  # kernels of experts want multiples of 8
        is_width = _WIDTH.search(name) and value > _SMALLEST_WIDTH and value % divisor == 0
        return value // factor if is_width else None

    return rule


def _factor(config: Any, *, keeps_heads: bool) -> int:  # noqa: ANN401
    """The largest power of two that divides large widths, and heads or their widths, evenly."""
    found = [(n, v) for n, v in _integers(config) if _WIDTH.search(n)]
    widths = [v for n, v in found if v >= _LARGE_WIDTH and not (keeps_heads and _OF_HEAD.search(n))]
    heads = [v for c in _tree(config) if (v := _head_width(c))]
    counts = [v for c in _tree(config) if (v := _first(c, _HEADS))]
    target = _HEADED_WIDTH if keeps_heads else _TARGET_WIDTH
    divided = (*widths, *((2 * c for c in counts) if keeps_heads else heads))
    factor = 1
    while (
        widths
        and max(widths) // (factor * 2) >= target
        and all(w % (factor * 4) == 0 for w in divided)
    ):
        factor *= 2
    return factor


def _tree(config: Any) -> Iterator[Any]:  # noqa: ANN401
    yield config
    for _, value in _stated(config):
        if hasattr(value, "to_dict"):
            yield from _tree(value)


def _head_width(config: Any) -> int | None:  # noqa: ANN401
    hidden, heads = (_first(config, names) for names in (_HIDDEN, _HEADS))
    return hidden // heads if hidden and heads and hidden % heads == 0 else None


def _first(config: Any, names: tuple[str, ...]) -> int | None:  # noqa: ANN401
    values = (_value(config, name, None) for name in names)
    return next((v for v in values if isinstance(v, int)), None)


def _integers(config: Any) -> Iterator[tuple[str, int]]:  # noqa: ANN401
    """Names and values of all integers of a tree of configurations, those of lists too."""
    for name, value in _stated(config):
        yield from _leaves(name, value)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, int]]:  # noqa: ANN401
    if hasattr(value, "to_dict"):
        yield from _integers(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(str(key), item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(name, item)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield name, value
