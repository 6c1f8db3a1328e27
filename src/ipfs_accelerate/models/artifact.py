"""The nouns of a verified model on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ipfs_accelerate.models.reference import ModelRef

__all__ = [
    "COMPONENT_STEMS",
    "Component",
    "Family",
    "ManifestFile",
    "Modality",
    "ModelArtifact",
    "Provenance",
    "TensorSpec",
]

#: File stem in published layouts → component; of several, the first listed wins.
COMPONENT_STEMS = {
    "model": "model",
    "encoder": "encoder",
    "encoder_model": "encoder",
    "decoder": "decoder",
    "decoder_model_merged": "decoder",
    "decoder_with_past_model": "decoder",
    "text": "text",
    "text_model": "text",
    "vision": "vision",
    "vision_model": "vision",
    "audio": "audio",
    "audio_model": "audio",
}


class Modality(StrEnum):
    """What a model takes in."""

    TEXT = "text"
    VISION = "vision"
    AUDIO = "audio"
    VIDEO = "video"
    MULTIMODAL = "multimodal"
    OTHER = "other"


class Family(StrEnum):
    """Coarse families, the published names first."""

    EMBEDDING = "embedding"
    TEXT_GENERATION = "text_generation"
    VISION = "vision"
    AUDIO = "audio"
    MULTIMODAL = "multimodal"
    VIDEO = "video"
    TIME_SERIES = "time_series"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named input or output of a component.

    Attributes:
        name: Its name in every runtime.
        dtype: NumPy name: ``int64``, ``float32``.
        shape: Sizes; a string names a dynamic dimension (``batch``, ``sequence``).
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Component:
    """One graph of a model: ``model`` for most, ``encoder`` and ``decoder`` for some.

    Attributes:
        name: ``model``, ``encoder``, ``decoder``.
        path: The file a graph runtime loads; ``None`` while only weights exist.
        inputs: In the order of the graph.
        outputs: Likewise.
    """

    name: str
    path: Path | None
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One verified file.

    Attributes:
        path: POSIX path relative to the artifact's directory.
        size_bytes: Its size.
        sha256: Hex digest of its content.
        cid: Content identifier, where the content layer has computed one.
    """

    path: str
    size_bytes: int
    sha256: str
    cid: str | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """How the files came to be.

    Attributes:
        kind: ``downloaded``, ``local``, ``converted``, ``quantized`` or ``random_weights``.
        source: Identity (see `ModelArtifact.identity`) or reference of what it was made from.
        settings: Everything needed to repeat it (tool versions, opset, recipe, seed).
        parity: Largest absolute and relative difference to the source per output, where checked.
    """

    kind: str
    source: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    parity: Mapping[str, object] | None = None

    @property
    def is_converted(self) -> bool:
        """Whether a tool rewrote the model after its author published it."""
        return self.kind in {"converted", "quantized"}


@dataclass(frozen=True)
class ModelArtifact:
    """A model whose files are on disk and verified.

    Attributes:
        ref: What was asked for.
        directory: Where the files lie; every manifest path is below it.
        files: The manifest.
        formats: Of ``safetensors pytorch_bin onnx openvino gguf tflite`` those found.
        task: Pipeline tag such as ``feature-extraction``; ``None`` when it cannot be told.
        family: Coarse family.
        modality: What it takes in.
        model_type: ``config.json``'s ``model_type``; ``None`` without a config.
        architecture: Class name such as ``BertModel``; ``None`` when unknown.
        parameters: Count of weights; ``None`` when unknown.
        weights: ``trained`` or ``random(seed=N)``: never confuse one with the other.
        config: The parsed ``config.json``.
        components: Graphs by name; empty until a conversion made or found some.
        provenance: How the files came to be.
    """

    ref: ModelRef
    directory: Path
    files: tuple[ManifestFile, ...]
    formats: frozenset[str]
    task: str | None
    family: Family
    modality: Modality
    model_type: str | None
    architecture: str | None
    parameters: int | None
    weights: str
    config: Mapping[str, object]
    components: Mapping[str, Component]
    provenance: Provenance

    @cached_property
    def identity(self) -> str:
        """Hex sha256 over the manifest: equal files at equal paths give equal identity."""
        rows = sorted((f.path, f.size_bytes, f.sha256) for f in self.files)
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    @property
    def name(self) -> str:
        """Short name for tables: the reference without its scheme noise."""
        return self.ref.name

    @property
    def weights_bytes(self) -> int:
        """Bytes of all weight-carrying files."""
        suffixes = (".safetensors", ".bin", ".onnx", ".onnx_data", ".onnx.data", ".gguf", ".tflite")
        return sum(f.size_bytes for f in self.files if f.path.endswith(suffixes))
