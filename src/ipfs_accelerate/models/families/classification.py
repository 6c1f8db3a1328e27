"""Weighs what names, configurations, tasks and graphs say about a model's family."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ipfs_accelerate.models.artifact import Family, Modality
from ipfs_accelerate.models.families.needs import parameters_from_config
from ipfs_accelerate.models.families.tasks import TASK_FAMILIES, task_by_suffix, task_of
from ipfs_accelerate.models.families.types import (
    ModelType,
    family_of,
    model_type_of,
    model_types,
    subfamily_of,
)

__all__ = ["Classification", "Evidence", "classify"]

#: Weight of each source. A configuration states what a name only hints at.
WEIGHTS = {
    "config.model_type": 0.50,
    "config.architectures": 0.30,
    "task": 0.20,
    "graph": 0.20,
    "files": 0.10,
    "name": 0.10,
    "memory": 0.05,
}
#: Doubt that is always there: confidence = winner / (sum of all weights + doubt).
DOUBT = 0.10
_LARGE_PARAMETERS = 2_000_000_000
_MODALITIES = {
    Family.EMBEDDING: Modality.TEXT,
    Family.TEXT_GENERATION: Modality.TEXT,
    Family.VISION: Modality.VISION,
    Family.AUDIO: Modality.AUDIO,
    Family.VIDEO: Modality.VIDEO,
    Family.MULTIMODAL: Modality.MULTIMODAL,
}
_FILES = {
    "1_Pooling/config.json": (Family.EMBEDDING, "pools tokens into sentence embeddings"),
    "generation_config.json": (Family.TEXT_GENERATION, "brings settings of text generation"),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation that speaks for a family.

    Attributes:
        source: Key of `WEIGHTS`.
        weight: Its weight.
        says: What was seen, in words.
        family: The family it speaks for.
    """

    source: str
    weight: float
    says: str
    family: Family


@dataclass(frozen=True, slots=True)
class Classification:
    """What a model is.

    Attributes:
        family: The family with the greatest weight.
        subfamily: A finer name: ``decoder``, ``speech_recognition``, ``vision_language``, ….
        modality: What it takes in besides text.
        task: Pipeline tag; ``None`` when it cannot be told.
        confidence: Winner's weight over the weight of all evidence plus `DOUBT`; 0..1.
        evidence: Everything that was weighed, strongest first.
        model_type: The known type it was recognised as; ``None`` when it is none.
    """

    family: Family
    subfamily: str
    modality: Modality
    task: str | None
    confidence: float
    evidence: tuple[Evidence, ...]
    model_type: str | None = None


def classify(
    config: Mapping[str, object],
    *,
    name: str | None = None,
    files: Iterable[str] = (),
    architecture: str | None = None,
    task: str | None = None,
    graph_inputs: Iterable[str] = (),
) -> Classification:
    """Classify a model from whatever is known about it.

    Args:
        config: The parsed ``config.json``; empty when there is none.
        name: Name or reference of the model.
        files: Paths of its files.
        architecture: Class name; the first of ``config["architectures"]`` when ``None``.
        task: Pipeline tag stated by its source.
        graph_inputs: Names of the inputs of its graph.

    Returns:
        The classification; family ``other`` with confidence 0.0 when nothing speaks.
    """
    cls = architecture or _first_architecture(config)
    kind = _kind(config, cls, name)
    evidence = [
        *_from_type(config),
        *_from_architecture(cls),
        *_from_task(task),
        *_from_graph(graph_inputs),
        *_from_files(files),
        *_from_name(name, kind),
    ]
    family = _winner(evidence)
    evidence.extend(_from_memory(config, family))
    evidence.sort(key=lambda e: -e.weight)
    total = sum(e.weight for e in evidence)
    for_it = sum(e.weight for e in evidence if e.family is family)
    return Classification(
        family=family,
        subfamily=subfamily_of(kind, family) if kind else "unknown",
        modality=_MODALITIES.get(family, Modality.OTHER),
        task=task or task_of(cls, family, kind),
        confidence=round(for_it / (total + DOUBT), 3) if evidence else 0.0,
        evidence=tuple(evidence),
        model_type=kind.name if kind else None,
    )


def _winner(evidence: Iterable[Evidence]) -> Family:
    scores: dict[Family, float] = {}
    for entry in evidence:
        scores[entry.family] = scores.get(entry.family, 0.0) + entry.weight
    return max(scores, key=lambda family: scores[family], default=Family.OTHER)


def _first_architecture(config: Mapping[str, object]) -> str | None:
    value = config.get("architectures")
    return str(value[0]) if isinstance(value, list) and value else None


def _kind(config: Mapping[str, object], cls: str | None, name: str | None) -> ModelType | None:
    known = model_types().get(str(config.get("model_type")))
    return known or (model_type_of(cls) if cls else None) or _type_in_name(name)


def _from_type(config: Mapping[str, object]) -> Iterator[Evidence]:
    kind = model_types().get(str(config.get("model_type")))
    if kind is not None:
        family, because = family_of(kind)
        says = f"model_type {kind.name!r} {because}"
        yield Evidence("config.model_type", WEIGHTS["config.model_type"], says, family)


def _from_architecture(cls: str | None) -> Iterator[Evidence]:
    if cls is None:
        return
    weight = WEIGHTS["config.architectures"]
    kind = model_type_of(cls)
    if kind is not None:
        family, because = family_of(kind)
        yield Evidence("config.architectures", weight, f"class {cls} {because}", family)
        return
    tag = task_by_suffix(cls)
    if tag in TASK_FAMILIES:
        says = f"class {cls} is made for {tag}"
        yield Evidence("config.architectures", weight, says, TASK_FAMILIES[tag])


def _from_task(task: str | None) -> Iterator[Evidence]:
    if task in TASK_FAMILIES:
        yield Evidence("task", WEIGHTS["task"], f"its source states {task}", TASK_FAMILIES[task])


def _from_graph(inputs: Iterable[str]) -> Iterator[Evidence]:
    names = set(inputs)
    family: Family | None = None
    if names & {"pixel_values", "pixel_values_videos", "images", "image"}:
        family = Family.MULTIMODAL if "input_ids" in names else Family.VISION
        family = Family.VIDEO if "pixel_values_videos" in names else family
    elif names & {"input_features", "input_values", "audio_values"}:
        family = Family.AUDIO
    elif "input_ids" in names:
        generates = any(name.startswith(("past_", "decoder_input")) for name in names)
        family = Family.TEXT_GENERATION if generates else Family.EMBEDDING
    if family is not None:
        says = "graph takes " + ", ".join(sorted(names)[:5])
        yield Evidence("graph", WEIGHTS["graph"], says, family)


def _from_files(files: Iterable[str]) -> Iterator[Evidence]:
    present = set(files)
    for path, (family, says) in _FILES.items():
        if path in present:
            yield Evidence("files", WEIGHTS["files"], f"{path} {says}", family)


def _type_in_name(name: str | None) -> ModelType | None:
    if not name:
        return None
    words = re.findall(r"[a-z0-9]+", name.lower().rsplit("/", maxsplit=1)[-1])
    spans = {"".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, i + 5)}
    fitting = [t for t in model_types().values() if _flat(t.name) in spans]
    return max(fitting, key=lambda t: (len(t.name), t.name), default=None)


def _flat(model_type: str) -> str:
    return model_type.lower().replace("_", "").replace("-", "")


def _from_name(name: str | None, kind: ModelType | None) -> Iterator[Evidence]:
    named = _type_in_name(name)
    if named is not None and (kind is None or named.name == kind.name):
        family, _ = family_of(named)
        yield Evidence("name", WEIGHTS["name"], f"name {name!r} holds {named.name!r}", family)


def _from_memory(config: Mapping[str, object], family: Family) -> Iterator[Evidence]:
    parameters = parameters_from_config(config)
    if parameters is not None and parameters >= _LARGE_PARAMETERS:
        generative = {Family.TEXT_GENERATION, Family.MULTIMODAL}
        speaks_for = family if family in generative else Family.TEXT_GENERATION
        says = f"about {parameters / 1e9:.1f} billion parameters, the size of a generating model"
        yield Evidence("memory", WEIGHTS["memory"], says, speaks_for)
