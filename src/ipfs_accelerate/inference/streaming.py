"""Turns tokens into text as they come, without broken characters or stop texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.inference.text import TextTokenizer

__all__ = ["TextStream"]

_BROKEN = "\ufffd"


class TextStream:
    """The text of one row.

    A piece is given out once it can no longer change: when its bytes form whole characters,
    and when it cannot be the beginning of a stop text.

    Args:
        tokenizer: Of the model.
        stop: Texts that end the row.

    Attributes:
        ids: Tokens so far.
        text: All text given out.
        is_stopped: Whether a stop text came.
    """

    def __init__(self, tokenizer: TextTokenizer, stop: tuple[str, ...] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = stop
        self._from = 0
        self._read = 0
        self._held = ""
        self.ids: list[int] = []
        self.text = ""
        self.is_stopped = False

    def push(self, token_id: int) -> str:
        """Add a token; returns the text that became certain (nothing after a stop text)."""
        if self.is_stopped:
            return ""
        self.ids.append(token_id)
        before = self._tokenizer.decode(self.ids[self._from : self._read])
        now = self._tokenizer.decode(self.ids[self._from :])
        if len(now) <= len(before) or now.endswith(_BROKEN):
            return ""
        self._from, self._read = self._read, len(self.ids)
        return self._release(now[len(before) :])

    def finish(self) -> str:
        """What was still held back when the row ended."""
        if self.is_stopped:
            return ""
        before = self._tokenizer.decode(self.ids[self._from : self._read])
        now = self._tokenizer.decode(self.ids[self._from :])
        piece = self._release(now[len(before) :]) + ("" if self.is_stopped else self._held)
        if not self.is_stopped:
            self.text += self._held
        self._held = ""
        return piece

    def _release(self, new: str) -> str:
        self._held += new
        cuts = [at for text in self._stop if (at := self._held.find(text)) >= 0]
        if cuts:
            self.is_stopped = True
            piece, self._held = self._held[: min(cuts)], ""
        else:
            safe = len(self._held) - self._overlap()
            piece, self._held = self._held[:safe], self._held[safe:]
        self.text += piece
        return piece

    def _overlap(self) -> int:
        """Length of the longest end of the held text that begins a stop text."""
        longest = 0
        for text in self._stop:
            for size in range(1, min(len(text) - 1, len(self._held)) + 1):
                if self._held.endswith(text[:size]):
                    longest = max(longest, size)
        return longest
