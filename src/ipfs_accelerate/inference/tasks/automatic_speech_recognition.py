"""The text of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.inference.choice import CallShape
from ipfs_accelerate.inference.speech import as_waveforms
from ipfs_accelerate.inference.speech.ctc import CtcRecognizer
from ipfs_accelerate.inference.speech.options import SpeechOptions
from ipfs_accelerate.inference.speech.whisper import WhisperRecognizer
from ipfs_accelerate.inference.tasks.protocol import Encoded, Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes import Session

__all__ = ["PIPELINE", "SpeechRecognition"]


class SpeechRecognition(Pipeline):
    """Returns one text per recording."""

    name: ClassVar[str] = "automatic-speech-recognition"
    summary: ClassVar[str] = "The text of a recording."
    aliases: ClassVar[tuple[str, ...]] = ("asr",)
    option_type: ClassVar[type] = SpeechOptions
    takes: ClassVar[str] = "audio"

    def __init__(self, artifact: ModelArtifact) -> None:
        super().__init__(artifact)
        is_ctc = (artifact.architecture or "").endswith("ForCTC")
        self._recognizer = CtcRecognizer(artifact) if is_ctc else WhisperRecognizer(artifact)

    @property
    def components(self) -> tuple[str, ...]:
        """See `Pipeline.components`."""
        return self._recognizer.components

    def encode(self, inputs: object, options: SpeechOptions) -> Encoded:
        """See `Pipeline.encode`."""
        rate_hz = self._recognizer.rate_hz
        waveforms, is_single = as_waveforms(inputs, rate_hz)
        longest_s = max(len(w) for w in waveforms) / rate_hz
        shape = CallShape(1, {"audio_seconds": max(1, round(longest_s))})
        return Encoded({}, shape, options, is_single, waveforms)

    def execute(self, sessions: Mapping[str, Session], encoded: Encoded) -> list[str]:
        """See `Pipeline.execute`."""
        return self._recognizer.recognize(sessions, encoded.context, encoded.options)

    def decode(self, outputs: list[str], encoded: Encoded) -> object:
        """See `Pipeline.decode`."""
        return outputs[0] if encoded.is_single else outputs


PIPELINE = SpeechRecognition
