"""The task a model class was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.models.artifact import Family

if TYPE_CHECKING:
    from ipfs_accelerate.models.families.types import ModelType

__all__ = ["TASK_FAMILIES", "task_of"]

#: What a class name ends with → pipeline tag; the longest fitting one counts.
_BY_SUFFIX = {
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForMaskedLM": "fill-mask",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMultipleChoice": "multiple-choice",
    "ForNextSentencePrediction": "next-sentence-prediction",
    "ForSeq2SeqLM": "text2text-generation",
    "ForImageClassification": "image-classification",
    "ForImageClassificationWithTeacher": "image-classification",
    "ForObjectDetection": "object-detection",
    "ForSegmentation": "image-segmentation",
    "ForSemanticSegmentation": "image-segmentation",
    "ForInstanceSegmentation": "image-segmentation",
    "ForUniversalSegmentation": "image-segmentation",
    "ForDepthEstimation": "depth-estimation",
    "ForVideoClassification": "video-classification",
    "ForCTC": "automatic-speech-recognition",
    "ForSpeechSeq2Seq": "automatic-speech-recognition",
    "ForAudioClassification": "audio-classification",
    "ForAudioFrameClassification": "audio-frame-classification",
    "ForXVector": "audio-xvector",
    "ForTextToSpeech": "text-to-speech",
    "ForZeroShotImageClassification": "zero-shot-image-classification",
    "ForZeroShotObjectDetection": "zero-shot-object-detection",
    "ForImageTextToText": "image-text-to-text",
    "ForVisualQuestionAnswering": "visual-question-answering",
    "ForMaskedImageModeling": "masked-image-modeling",
    "ForPrediction": "time-series-forecasting",
}
_GENERATION = {
    Family.AUDIO: "automatic-speech-recognition",
    Family.MULTIMODAL: "image-text-to-text",
    Family.VIDEO: "video-text-to-text",
}
_BARE = {
    Family.EMBEDDING: "feature-extraction",
    Family.TEXT_GENERATION: "feature-extraction",
    Family.VISION: "image-feature-extraction",
    Family.AUDIO: "feature-extraction",
    Family.VIDEO: "video-classification",
    Family.TIME_SERIES: "time-series-forecasting",
}
#: Pipeline tag → the family it speaks for.
TASK_FAMILIES = {
    "feature-extraction": Family.EMBEDDING,
    "sentence-similarity": Family.EMBEDDING,
    "fill-mask": Family.EMBEDDING,
    "text-classification": Family.EMBEDDING,
    "token-classification": Family.EMBEDDING,
    "question-answering": Family.EMBEDDING,
    "text-generation": Family.TEXT_GENERATION,
    "text2text-generation": Family.TEXT_GENERATION,
    "summarization": Family.TEXT_GENERATION,
    "translation": Family.TEXT_GENERATION,
    "image-classification": Family.VISION,
    "image-feature-extraction": Family.VISION,
    "object-detection": Family.VISION,
    "image-segmentation": Family.VISION,
    "depth-estimation": Family.VISION,
    "mask-generation": Family.VISION,
    "masked-image-modeling": Family.VISION,
    "automatic-speech-recognition": Family.AUDIO,
    "audio-classification": Family.AUDIO,
    "audio-frame-classification": Family.AUDIO,
    "audio-xvector": Family.AUDIO,
    "text-to-speech": Family.AUDIO,
    "zero-shot-audio-classification": Family.AUDIO,
    "image-text-to-text": Family.MULTIMODAL,
    "image-to-text": Family.MULTIMODAL,
    "visual-question-answering": Family.MULTIMODAL,
    "zero-shot-image-classification": Family.MULTIMODAL,
    "video-classification": Family.VIDEO,
    "video-text-to-text": Family.VIDEO,
    "time-series-forecasting": Family.TIME_SERIES,
}


def task_by_suffix(architecture: str) -> str | None:
    """The tag that a class name states by itself, or ``None``."""
    fitting = [suffix for suffix in _BY_SUFFIX if architecture.endswith(suffix)]
    return _BY_SUFFIX[max(fitting, key=len)] if fitting else None


def task_of(architecture: str | None, family: Family, kind: ModelType | None) -> str | None:
    """The pipeline tag of a model class.

    Args:
        architecture: Class name; ``None`` when unknown.
        family: Its family, for names that are used across modalities.
        kind: Its model type, where known.

    Returns:
        The tag, or ``None`` when it cannot be told.
    """
    if architecture is None:
        return None
    tag = task_by_suffix(architecture)
    tasks = kind.tasks if kind else frozenset()
    if tag == "text-classification" and family is Family.AUDIO:
        return "audio-classification"
    if tag is not None:
        return tag
    if "ForConditionalGeneration" in architecture:
        if "text-to-speech" in tasks and "automatic-speech-recognition" not in tasks:
            return "text-to-speech"
        return _GENERATION.get(family, "text2text-generation")
    return _bare_model(architecture, family, kind) if architecture.endswith("Model") else None


def _bare_model(architecture: str, family: Family, kind: ModelType | None) -> str | None:
    if kind is not None and kind.name == "clap" and architecture == "ClapModel":
        return "zero-shot-audio-classification"
    if family is Family.MULTIMODAL:
        joint = kind is not None and not {"image-text-to-text"} & kind.tasks
        return "zero-shot-image-classification" if joint else "feature-extraction"
    return _BARE.get(family)
