"""What is known about each model type, and the family its inputs and tasks make of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ipfs_accelerate.models.artifact import Family

__all__ = ["ModelType", "family_of", "model_type_of", "model_types", "subfamily_of"]

_VIDEO_TEXT = ("video", "video_text_joint")
_CODEC = ("audio", "codec")
#: Types whose inputs and tasks mislead, by hand.
_BY_HAND: dict[str, tuple[str, str]] = {
    "xclip": _VIDEO_TEXT,
    "xclip_vision_model": ("video", "encoder"),
    "clap": ("audio", "audio_text_joint"),
    "dac": _CODEC,
    "encodec": _CODEC,
    "xcodec": _CODEC,
    "xcodec2": _CODEC,
    "neucodec": _CODEC,
    "higgs_audio_v2_tokenizer": _CODEC,
    "decision_transformer": ("other", "reinforcement_learning"),
    "esmfold2": ("other", "protein_structure"),
    "rag": ("text_generation", "retrieval_augmented"),
    "dpr": ("embedding", "retrieval"),
    "blt": ("text_generation", "decoder"),
    **dict.fromkeys(
        ("blt_global_transformer", "blt_local_decoder", "blt_local_encoder", "blt_patcher"),
        ("text_generation", "component"),
    ),
    "dia": ("audio", "text_to_speech"),
    "layoutxlm": ("multimodal", "document"),
    "nougat": ("multimodal", "document"),
}
_TASKS_OF_FAMILY: dict[str, tuple[str, ...]] = {
    "time_series": ("time-series",),
    "audio": ("automatic-speech", "audio-", "text-to-speech"),
    "video": ("video-classification",),
    "multimodal": ("image-text-to-text", "visual-question", "document-question", "zero-shot-image"),
    "vision": (
        "image-", "object-detection", "depth", "mask-generation", "keypoint", "masked-image",
        "segmentation", "normal-estimation", "pose", "pointmap", "text-recognition",
        "table-recognition", "semantic", "instance", "universal",
    ),
}  # fmt: skip
_SUBFAMILIES: tuple[tuple[str, str], ...] = (
    ("automatic-speech-recognition", "speech_recognition"),
    ("text-to-speech", "text_to_speech"),
    ("image-text-to-text", "vision_language"),
    ("zero-shot-image-classification", "vision_text_joint"),
    ("visual-question-answering", "vision_language"),
    ("document-question-answering", "document"),
    ("object-detection", "object_detection"),
    ("zero-shot-object-detection", "object_detection"),
    ("mask-generation", "segmentation"),
    ("depth-estimation", "depth_estimation"),
    ("image-classification", "image_classification"),
    ("universal-segmentation", "segmentation"),
    ("semantic-segmentation", "segmentation"),
    ("instance-segmentation", "segmentation"),
    ("audio-classification", "audio_classification"),
    ("video-classification", "video_classification"),
    ("time-series-prediction", "forecasting"),
    ("text2text-generation", "encoder_decoder"),
    ("fill-mask", "encoder"),
    ("text-generation", "decoder"),
)
_NAME_PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("audio", ("audio", "speech", "vocoder", "hifigan", "asr", "tts", "acoustic")),
    ("video", ("video",)),
    ("image", ("vision", "image", "sam", "sam2", "sam3", "edgetam", "hiera", "mask", "perciever")),
)


@dataclass(frozen=True, slots=True)
class ModelType:
    """One model type as `transformers` knows it.

    Attributes:
        name: ``model_type`` of its configuration.
        config: Class of its configuration.
        inputs: What its models take: ``text``, ``image``, ``audio``, ``video``, ``time``.
        tasks: Tags of the tasks it has a class for.
        part_of: The model it is a part of, where that is another one.
    """

    name: str
    config: str
    inputs: frozenset[str]
    tasks: frozenset[str]
    part_of: str | None

    @property
    def prefix(self) -> str:
        """What the names of its classes begin with: ``Bert``."""
        return self.config.removesuffix("Config")


@cache
def model_types() -> Mapping[str, ModelType]:
    """Every known model type by name."""
    data = files("ipfs_accelerate.models.families").joinpath("model_types.json")
    rows: dict[str, dict[str, list[str] | str]] = json.loads(data.read_text(encoding="utf-8"))[
        "types"
    ]
    return {
        name: ModelType(
            name=name,
            config=str(row["config"]),
            inputs=frozenset(row.get("inputs", ())),
            tasks=frozenset(row.get("tasks", ())),
            part_of=str(row["part_of"]) if "part_of" in row else None,
        )
        for name, row in rows.items()
    }


@cache
def model_type_of(architecture: str) -> ModelType | None:
    """The type whose classes are named like this one: ``BertForMaskedLM`` → ``bert``."""
    fitting = [t for t in model_types().values() if t.prefix and architecture.startswith(t.prefix)]
    return max(fitting, key=lambda t: (len(t.prefix), -len(t.name)), default=None)


def family_of(kind: ModelType) -> tuple[Family, str]:
    """Family of a type and why.

    Multimodal means that images meet text, or several senses meet; sound or video that comes with
    text stays audio or video. A text model that fills masks is an embedding model unless it also
    translates between sequences.
    """
    if kind.name in _BY_HAND:
        return Family(_BY_HAND[kind.name][0]), "known individually"
    inputs = _effective_inputs(kind)
    because = "takes " + " and ".join(sorted(inputs))
    senses = inputs - {"text"}
    by_task = _family_by_task(kind)
    is_clear = by_task is Family.AUDIO or by_task is Family.TIME_SERIES
    if by_task is not None and is_clear and senses <= {"audio", "time"}:
        return by_task, f"{because}; does {', '.join(sorted(kind.tasks)[:3])}"
    if not senses:
        if by_task is None:
            return _text_family(kind, because)
        return by_task, f"does {', '.join(sorted(kind.tasks)[:3])}"
    return _family_by_senses(inputs, senses, kind), because


def subfamily_of(kind: ModelType, family: Family) -> str:
    """A finer name within the family."""
    if kind.name in _BY_HAND:
        return _BY_HAND[kind.name][1]
    if family is Family.MULTIMODAL and "audio" in kind.inputs:
        return "omni"
    for task, name in _SUBFAMILIES:
        if task in kind.tasks and _suits(name, family):
            return name
    if kind.part_of in model_types():
        return "component"
    if "text" in kind.inputs and len(kind.inputs) > 1:
        return "joint"
    return "component" if kind.part_of else "encoder"


def _suits(subfamily: str, family: Family) -> bool:
    is_text = subfamily in {"encoder", "decoder", "encoder_decoder"}
    return is_text == (family in {Family.EMBEDDING, Family.TEXT_GENERATION})


def _effective_inputs(kind: ModelType) -> frozenset[str]:
    parts = set(kind.name.replace("-", "_").split("_"))
    if kind.part_of and (named := parts & {"text", "vision", "audio"}):
        return frozenset({"image" if named == {"vision"} else min(named)})
    if kind.inputs - {"text"}:
        return kind.inputs
    if not kind.tasks:
        found = {sense for sense, words in _NAME_PARTS if parts & set(words)}
        parent = model_types().get(kind.part_of or "")
        if not found and not kind.inputs and parent is not None:
            found = set(parent.inputs)
        if found:
            return frozenset(found)
    return kind.inputs or frozenset({"text"})


def _family_by_task(kind: ModelType) -> Family | None:
    for family, prefixes in _TASKS_OF_FAMILY.items():
        if any(task.startswith(prefixes) for task in kind.tasks):
            return Family(family)
    return None


def _family_by_senses(inputs: frozenset[str], senses: frozenset[str], kind: ModelType) -> Family:
    if senses == {"time"}:
        return Family.TIME_SERIES
    if senses == {"audio"}:
        return Family.AUDIO
    if senses == {"video"} or "video-classification" in kind.tasks:
        return Family.VIDEO
    if "mask-generation" in kind.tasks:
        return Family.VISION
    if "text" in inputs or "audio" in senses or _family_by_task(kind) is Family.MULTIMODAL:
        return Family.MULTIMODAL
    return Family.VISION


def _text_family(kind: ModelType, because: str) -> tuple[Family, str]:
    for task, family in (
        ("text2text-generation", Family.TEXT_GENERATION),
        ("fill-mask", Family.EMBEDDING),
        ("text-generation", Family.TEXT_GENERATION),
    ):
        if task in kind.tasks:
            return family, f"{because}; does {task}"
    is_decoder = {"decoder", "assistant", "talker"} & set(kind.name.split("_"))
    part = kind.part_of or ""
    if is_decoder or (part in model_types() and _generates(model_types()[part])):
        return Family.TEXT_GENERATION, f"{because}; the decoder of {part or 'a model'}"
    return Family.EMBEDDING, f"{because}; no class that generates"


def _generates(kind: ModelType) -> bool:
    return bool({"text-generation", "text2text-generation", "image-text-to-text"} & kind.tasks)
