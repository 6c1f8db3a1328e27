"""Options of speech recognition."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SpeechOptions"]


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """Options of speech recognition; those on language and tokens are for Whisper.

    Attributes:
        language: Code such as ``de``; detected when ``None``.
        task: ``transcribe`` or ``translate`` (into English).
        max_new_tokens: Most tokens per window.
    """

    language: str | None = None
    task: str = "transcribe"
    max_new_tokens: int = 444

    def __post_init__(self) -> None:
        if self.task not in {"transcribe", "translate"}:
            raise ValueError(f"task {self.task!r} is neither transcribe nor translate")
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens {self.max_new_tokens} is below 1")
