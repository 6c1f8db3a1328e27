"""The key model classes that a timing report speaks of, and how a stored model is recognised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KEY_CLASSES", "KeyClass", "class_of", "find_classes"]


@dataclass(frozen=True, slots=True)
class KeyClass:
    """One class of models.

    Attributes:
        name: As users write it.
        title: As people call it.
        model_types: Values of ``model_type`` that belong to it.
        example: A published model of it, for the command that would measure it.
    """

    name: str
    title: str
    model_types: tuple[str, ...]
    example: str

    @property
    def command(self) -> str:
        """What would measure a model of it on every target of this machine."""
        return f"accel bench run {self.example} --targets all"


KEY_CLASSES: tuple[KeyClass, ...] = (
    KeyClass("bert", "BERT", ("bert",), "google-bert/bert-base-uncased"),
    KeyClass("t5", "T5", ("t5",), "google-t5/t5-small"),
    KeyClass("llama", "LLaMA", ("llama",), "HuggingFaceTB/SmolLM2-135M"),
    KeyClass(
        "clip", "CLIP", ("clip", "clip_text_model", "clip_vision_model"),
        "openai/clip-vit-base-patch32",
    ),
    KeyClass("vit", "ViT", ("vit",), "google/vit-base-patch16-224"),
    KeyClass(
        "clap", "CLAP", ("clap", "clap_text_model", "clap_audio_model"),
        "laion/clap-htsat-unfused",
    ),
    KeyClass("whisper", "Whisper", ("whisper",), "openai/whisper-tiny"),
    KeyClass("wav2vec2", "Wav2Vec2", ("wav2vec2",), "facebook/wav2vec2-base-960h"),
    KeyClass("llava", "LLaVA", ("llava",), "llava-hf/llava-1.5-7b-hf"),
    KeyClass("llava-next", "LLaVA-Next", ("llava_next",), "llava-hf/llava-v1.6-mistral-7b-hf"),
    KeyClass(
        "xclip", "XCLIP", ("xclip", "xclip_text_model", "xclip_vision_model"),
        "microsoft/xclip-base-patch32",
    ),
    KeyClass("qwen", "Qwen2/3", ("qwen2", "qwen3"), "Qwen/Qwen2-0.5B"),
    KeyClass("detr", "DETR", ("detr",), "facebook/detr-resnet-50"),
)  # fmt: skip
_OF_TYPE = {kind: key for key in KEY_CLASSES for kind in key.model_types}


def class_of(model_type: str | None, architecture: str | None) -> KeyClass | None:
    """The key class of a stored model; ``None`` when it is of no key class.

    The type its configuration states wins; without one, the type whose classes are named like its
    architecture. A name alone proves nothing.
    """
    from ipfs_accelerate.models.families.types import model_type_of

    if model_type is None and architecture:
        kind = model_type_of(architecture)
        model_type = kind.name if kind else None
    return _OF_TYPE.get(model_type or "")


def find_classes(names: Sequence[str]) -> tuple[KeyClass, ...]:
    """Key classes by name, in the order of `KEY_CLASSES`; all of them for no name.

    Raises:
        UnknownNameError: There is no such class.
    """
    known = {key.name: key for key in KEY_CLASSES}
    wanted = [name.strip().lower().replace("_", "-") for name in names]
    for name, given in zip(wanted, names, strict=True):
        if name not in known:
            raise UnknownNameError(given, known)
    return tuple(key for key in KEY_CLASSES if not wanted or key.name in wanted)
