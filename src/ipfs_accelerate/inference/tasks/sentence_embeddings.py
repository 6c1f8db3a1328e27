"""One vector per text, pooled and normalised as the model's own files say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ipfs_accelerate.errors import InputError, ModelFormatError
from ipfs_accelerate.inference.files import read_json, read_object
from ipfs_accelerate.inference.tasks.feature_extraction import text_call
from ipfs_accelerate.inference.tasks.protocol import Encoded, Pipeline
from ipfs_accelerate.inference.text import TextTokenizer

if TYPE_CHECKING:
    from ipfs_accelerate.inference.feeding import Tensors
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["PIPELINE", "EmbeddingOptions", "SentenceEmbeddings"]

_POOLINGS = ("mean", "cls", "max", "lasttoken")


@dataclass(frozen=True, slots=True)
class EmbeddingOptions:
    """Options of sentence embeddings.

    Attributes:
        pooling: ``mean``, ``cls``, ``max`` or ``lasttoken``; ``None`` for the model's own.
        normalize: Scale to length 1; ``None`` for the model's own.
        similarity: Return the matrix of cosine similarities instead of the vectors.
    """

    pooling: str | None = None
    normalize: bool | None = None
    similarity: bool = False

    def __post_init__(self) -> None:
        if self.pooling is not None and self.pooling not in _POOLINGS:
            raise ValueError(f"pooling {self.pooling!r} is none of {', '.join(_POOLINGS)}")


class SentenceEmbeddings(Pipeline):
    """Returns ``float32[texts, width]``, or ``float32[width]`` for one text."""

    name: ClassVar[str] = "sentence-embeddings"
    summary: ClassVar[str] = "One vector per text, or their similarities."
    aliases: ClassVar[tuple[str, ...]] = ("sentence-similarity", "embeddings")
    option_type: ClassVar[type] = EmbeddingOptions

    def __init__(self, artifact: ModelArtifact) -> None:
        super().__init__(artifact)
        self.tokenizer = TextTokenizer(artifact)
        self.pooling, self.normalize = _own_recipe(artifact)

    def encode(self, inputs: object, options: Any) -> Encoded:  # noqa: ANN401 (option_type)
        """See `Pipeline.encode`."""
        return text_call(self.tokenizer, inputs, options)

    def decode(self, outputs: Tensors, encoded: Encoded) -> np.ndarray:
        """See `Pipeline.decode`."""
        options: EmbeddingOptions = encoded.options
        vectors = outputs.get("sentence_embedding")
        if vectors is None:
            states = outputs.get("last_hidden_state", next(iter(outputs.values())))
            mask = encoded.tensors["attention_mask"]
            vectors = _pool(states, mask, options.pooling or self.pooling)
        if options.similarity:
            unit = _unit(vectors)
            matrix: np.ndarray = unit @ unit.T
            return matrix
        if self.normalize if options.normalize is None else options.normalize:
            vectors = _unit(vectors)
        result: np.ndarray = vectors[0] if encoded.is_single else vectors
        return result


def _own_recipe(artifact: ModelArtifact) -> tuple[str, bool]:
    """Pooling and normalisation from ``modules.json``; mean and no scaling where there is none.

    Source: file layout of sentence-transformers,
    https://sbert.net/docs/sentence_transformer/usage/custom_models.html
    """
    modules = read_json(artifact.directory, "modules.json")
    if modules is None:
        return "mean", False
    if not isinstance(modules, list) or not all(isinstance(m, dict) for m in modules):
        raise ModelFormatError(f"{artifact.directory / 'modules.json'} is not a list of modules")
    pooling, normalize = "mean", False
    for module in modules:
        kind = str(module.get("type", "")).rsplit(".", 1)[-1]
        if kind == "Pooling":
            pooling = _pooling_of(artifact, str(module.get("path", "")))
        elif kind == "Normalize":
            normalize = True
        elif kind != "Transformer":
            raise InputError(
                f"{artifact.name} has a {kind} module, which is not supported",
                hint="use task='feature-extraction' and finish the embedding yourself",
            )
    return pooling, normalize


def _pooling_of(artifact: ModelArtifact, path: str) -> str:
    if ".." in path or path.startswith("/"):
        raise ModelFormatError(f"modules.json of {artifact.name} points outside: {path!r}")
    config = read_object(artifact.directory / path, "config.json")
    named = config.get("pooling_mode")
    flags = {
        "mean": "pooling_mode_mean_tokens",
        "cls": "pooling_mode_cls_token",
        "max": "pooling_mode_max_tokens",
        "lasttoken": "pooling_mode_lasttoken",
    }
    chosen = [named] if named else [mode for mode, flag in flags.items() if config.get(flag)]
    if len(chosen) != 1 or chosen[0] not in _POOLINGS:
        raise InputError(
            f"{artifact.name} pools by {chosen or 'nothing'}, which is not supported",
            hint="pass pooling='mean' with task='sentence-embeddings' without modules.json",
        )
    return str(chosen[0])


def _pool(states: np.ndarray, mask: np.ndarray, pooling: str) -> np.ndarray:
    keep = mask[..., None].astype(states.dtype)
    pooled: np.ndarray
    match pooling:
        case "cls":
            pooled = states[np.arange(len(states)), mask.argmax(axis=1)]
        case "max":
            pooled = np.where(keep > 0, states, -np.inf).max(axis=1)
        case "lasttoken":
            last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
            pooled = states[np.arange(len(states)), last]
        case _:
            pooled = (states * keep).sum(axis=1) / np.maximum(keep.sum(axis=1), 1e-9)
    return pooled


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: np.ndarray = vectors / np.maximum(lengths, 1e-12)
    return scaled


PIPELINE = SentenceEmbeddings
