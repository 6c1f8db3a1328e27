"""What became better or worse since the verdict before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ipfs_accelerate.store import StoredVerdict, Verdict

__all__ = ["Change", "changes_of"]


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict that differs from the one before.

    Attributes:
        model_class: Class of the model.
        target: Where.
        before: The verdict before.
        now: The verdict after.
        first_line: Why, of the verdict after.
        versions: Library → its versions before and after, of those that differ.
        at: When it was found, UTC without zone.
    """

    model_class: str
    target: str
    before: Verdict
    now: Verdict
    first_line: str | None
    versions: Mapping[str, tuple[str | None, str | None]]
    at: datetime

    @property
    def is_worse(self) -> bool:
        """Whether something that worked does not any more."""
        return self.before.is_good and not self.now.is_good


def changes_of(history: Iterable[StoredVerdict]) -> list[Change]:
    """Changes in a history, what became worse first, then the newest first."""
    found = [
        Change(
            v.model_class,
            v.target,
            v.previous_verdict,
            v.verdict,
            v.first_line,
            _differing(v.previous_versions, v.versions),
            v.created_at,
        )
        for v in history
        if v.previous_verdict is not None and v.previous_verdict is not v.verdict
    ]
    newest_first = sorted(found, key=lambda c: c.at, reverse=True)
    return sorted(newest_first, key=lambda c: not c.is_worse)


def _differing(
    before: Mapping[str, str], now: Mapping[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    names = sorted({*before, *now})
    return {n: (before.get(n), now.get(n)) for n in names if before.get(n) != now.get(n)}
