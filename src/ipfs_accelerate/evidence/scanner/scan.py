"""Files in, verdicts out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from ipfs_accelerate.errors import AccelerateError, InputError
from ipfs_accelerate.evidence.scanner.claims import Document
from ipfs_accelerate.evidence.scanner.json_reader import add_fields, read_json, read_json_lines
from ipfs_accelerate.evidence.scanner.signs import Reason, View, reasons_against
from ipfs_accelerate.evidence.scanner.text_reader import (
    read_csv,
    read_html,
    read_notebook,
    read_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from ipfs_accelerate.evidence.scanner.claims import Claim

__all__ = ["SUFFIXES", "Report", "Verdict", "find_reports", "scan_file"]

Verdict = Literal["suspect", "marked", "looks measured", "unsupported", "no claim", "not examined"]
MAX_BYTES = 64 * 2**20
#: Never reports: other people's packages, caches, version control; and what the scanner writes.
_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})
SIDECAR = ".stale.json"

_READERS: dict[str, Callable[[str], Document]] = {
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".csv": read_csv,
    ".md": read_text,
    ".markdown": read_text,
    ".txt": read_text,
    ".html": read_html,
    ".htm": read_html,
    ".ipynb": read_notebook,
}
_LEDGERS = frozenset({".duckdb", ".db"})
SUFFIXES = frozenset({*_READERS, *_LEDGERS})


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in one file.

    Attributes:
        path: The file.
        verdict: ``suspect`` presents numbers as real and something speaks against it; ``marked``
            says itself that they are not; ``looks measured`` has samples or an environment and
            nothing against it, which proves nothing; ``unsupported`` has neither.
        claims: Numbers about hardware.
        marked: Those that are marked.
        reasons: Strong ones first; for ``marked``, how it says so.
    """

    path: str
    verdict: Verdict
    claims: int = 0
    marked: int = 0
    reasons: tuple[Reason, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return {**asdict(self), "reasons": [asdict(reason) for reason in self.reasons]}


def find_reports(paths: Sequence[Path]) -> Iterator[Path]:
    """Files named, and those of a known kind below the folders named, sorted.

    Raises:
        InputError: A path does not exist.
    """
    for path in paths:
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from _below(path)
        else:
            raise InputError(f"no such file or folder: {str(path)!r}")


def scan_file(path: Path, *, missing: Collection[str] = ()) -> Report:
    """Judge one file; what cannot be read is ``not examined``, with the reason.

    Args:
        path: The file.
        missing: Kinds of hardware that were never available here.
    """
    try:
        found = _read(path)
    except (OSError, ValueError, RecursionError, AccelerateError) as error:
        reason = Reason("unreadable", "weak", 0, str(error)[:200])
        return Report(str(path), "not examined", reasons=(reason,))
    return _judged(path, found, frozenset(missing))


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _SKIPPED or path.is_symlink():
            continue
        if path.is_dir():
            yield from _below(path)
        elif path.suffix.lower() in SUFFIXES and not path.name.endswith(SIDECAR):
            yield path


def _read(path: Path) -> Document:
    suffix = path.suffix.lower()
    if suffix in _LEDGERS:
        return _read_ledger(path)
    if suffix not in _READERS:
        raise ValueError(f"a file of kind {suffix or 'without a suffix'} is not read")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{size / 2**20:.0f} MiB; the limit is {MAX_BYTES // 2**20} MiB")
    return _READERS[suffix](path.read_text(encoding="utf-8-sig", errors="replace"))


def _read_ledger(path: Path) -> Document:
    from ipfs_accelerate.store.scanning import read_result_rows

    found = Document()
    for number, row in enumerate(read_result_rows(path), start=1):
        add_fields(found, row, number)
    return found


def _judged(path: Path, found: Document, missing: Collection[str]) -> Report:
    claims = found.claims
    if not claims:
        return Report(str(path), "no claim")
    open_claims = [claim for claim in claims if claim.mark is None]
    counts = (len(claims), len(claims) - len(open_claims))
    if not open_claims:
        return Report(str(path), "marked", *counts, _marks(claims))
    reasons = tuple(reasons_against(View(found, open_claims, missing)))
    is_strong = any(reason.strength == "strong" for reason in reasons)
    if is_strong or len({reason.sign for reason in reasons}) > 1:
        return Report(str(path), "suspect", *counts, reasons)
    verdict: Verdict = "unsupported" if reasons else "looks measured"
    return Report(str(path), verdict, *counts, reasons)


def _marks(claims: Sequence[Claim]) -> tuple[Reason, ...]:
    told = {str(claim.mark): claim.line for claim in reversed(claims)}
    return tuple(Reason("mark", "weak", line, text) for text, line in sorted(told.items()))
