"""Recognisers that write a text from a spectrogram (Whisper)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError, UnknownNameError
from ipfs_accelerate.inference.feeding import feed
from ipfs_accelerate.inference.files import read_object
from ipfs_accelerate.inference.generation import (
    Decoder,
    Generation,
    collect,
    cross_inputs,
    decoder_start,
    end_ids_of,
)
from ipfs_accelerate.inference.sampling import GenerationOptions
from ipfs_accelerate.inference.speech.mel import MelSettings, log_mel
from ipfs_accelerate.inference.streaming import TextStream
from ipfs_accelerate.inference.text import TextTokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.inference.feeding import Tensors
    from ipfs_accelerate.inference.speech.options import SpeechOptions
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes import Session

__all__ = ["WhisperRecognizer"]


class WhisperRecognizer:
    """Greedy decoding without timestamps; long recordings in windows that do not overlap.

    The language is detected from each recording's first window unless it is given.

    Source: Radford et al., arXiv:2212.04356, section 2.3 for the tokens of the task.
    """

    components = ("encoder", "decoder")

    def __init__(self, artifact: ModelArtifact) -> None:
        settings = read_object(artifact.directory, "preprocessor_config.json")
        self._config = artifact.config
        self._generation = read_object(artifact.directory, "generation_config.json")
        self._mel = MelSettings(
            bins=_whole(artifact.config, "num_mel_bins", 80),
            rate_hz=_whole(settings, "sampling_rate", 16_000),
            window=_whole(settings, "n_fft", 400),
            hop=_whole(settings, "hop_length", 160),
        )
        self._frames = 2 * _whole(artifact.config, "max_source_positions", 1500)
        self._room = _whole(artifact.config, "max_target_positions", 448)
        self._start_id = decoder_start(artifact)
        self._end_ids = end_ids_of(artifact)
        self._tokenizer = TextTokenizer(artifact, cut=False)
        self.rate_hz = self._mel.rate_hz

    def recognize(
        self,
        sessions: Mapping[str, Session],
        waveforms: Sequence[np.ndarray],
        options: SpeechOptions,
    ) -> list[str]:
        """One text per recording."""
        return [self._recording(sessions, waveform, options) for waveform in waveforms]

    def _recording(
        self, sessions: Mapping[str, Session], waveform: np.ndarray, options: SpeechOptions
    ) -> str:
        size = self._frames * self._mel.hop
        texts: list[str] = []
        prompt: list[int] | None = None
        for start in range(0, len(waveform), size):
            features = log_mel(waveform[start : start + size], self._frames, self._mel)
            encoder = sessions["encoder"]
            encoded = encoder.run(feed(encoder, {"input_features": features[None]}))
            constants = cross_inputs(encoded)
            prompt = prompt or self._prompt(sessions["decoder"], constants, options)
            texts.append(self._window(sessions["decoder"], constants, prompt, options).strip())
        return " ".join(text for text in texts if text)

    def _window(
        self, session: Session, constants: Tensors, prompt: list[int], options: SpeechOptions
    ) -> str:
        ids = np.asarray([prompt], dtype=np.int64)
        room = self._room - len(prompt)
        generation = Generation(
            Decoder(session, constants),
            ids,
            np.ones_like(ids),
            options=replace(GenerationOptions(), max_new_tokens=min(options.max_new_tokens, room)),
            end_ids=self._end_ids,
            adjust=self._suppress,
        )
        stream = TextStream(self._tokenizer)
        collect(generation, [stream], self._end_ids)
        return stream.text

    def _suppress(self, logits: np.ndarray, index: int) -> None:
        """Tokens that must not be written, and those that must not come first."""
        names = ("suppress_tokens", "begin_suppress_tokens")[: 2 if index == 0 else 1]
        for name in names:
            ids = self._setting(name)
            if isinstance(ids, list):
                logits[:, [i for i in ids if 0 <= i < logits.shape[1]]] = -np.inf

    def _prompt(self, session: Session, constants: Tensors, options: SpeechOptions) -> list[int]:
        """Start, language, task and the wish for no timestamps, as far as the model has them."""
        prompt = [self._start_id]
        languages, tasks = self._setting("lang_to_id"), self._setting("task_to_id")
        if isinstance(languages, dict) and languages:
            prompt.append(self._language(session, constants, languages, options.language))
            if isinstance(tasks, dict) and tasks:
                prompt.append(_look_up(tasks, options.task))
        elif options.language is not None or options.task != "transcribe":
            raise InputError("this model knows one language and no translation")
        silent = self._setting("no_timestamps_token_id")
        return [*prompt, silent] if isinstance(silent, int) else prompt

    def _language(
        self,
        session: Session,
        constants: Tensors,
        known: Mapping[str, int],
        wanted: str | None,
    ) -> int:
        if wanted is not None:
            return _look_up(known, f"<|{wanted.strip('<|>')}|>")
        start = np.asarray([[self._start_id]], dtype=np.int64)
        logits = Decoder(session, constants).start(start, np.ones_like(start))[0]
        return max(known.values(), key=lambda i: float(logits[i]))

    def _setting(self, name: str) -> object:
        value = self._generation.get(name)
        return self._config.get(name) if value is None else value


def _look_up(known: Mapping[str, int], name: str) -> int:
    if name not in known:
        raise UnknownNameError(name, known)
    return int(known[name])


def _whole(config: Mapping[str, object], name: str, default: int) -> int:
    value = config.get(name)
    return value if isinstance(value, int) else default
