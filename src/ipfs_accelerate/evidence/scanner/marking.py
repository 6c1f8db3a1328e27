"""Marking what was found: a file beside the report, or a banner in it with a copy kept."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.scanner.scan import SIDECAR

if TYPE_CHECKING:
    from ipfs_accelerate.evidence.scanner.scan import Report

__all__ = ["add_banner", "write_sidecar"]

_SCHEMA = "ipfs-accelerate/stale-report/1"
_BACKUP = ".unmarked"
_SIGN = "ipfs-accelerate: stale report"


def write_sidecar(report: Report) -> Path:
    """Write ``<file>.stale.json`` with the verdict and its reasons; the report stays as it is."""
    path = Path(report.path + SIDECAR)
    document = {"schema": _SCHEMA, **report.to_dict(), "path": Path(report.path).name}
    _replace(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return path


def add_banner(report: Report) -> Path | None:
    """Put a visible banner at the top of a Markdown or HTML report; ``None`` when it has one.

    The original is kept as ``<file>.unmarked``.

    Raises:
        InputError: The file is of another kind, or a copy is in the way.
    """
    path = Path(report.path)
    suffix = path.suffix.lower()
    if suffix not in {".md", ".markdown", ".html", ".htm"}:
        raise InputError(f"no banner in a {suffix or 'file without suffix'}", hint="--mark sidecar")
    raw = path.read_bytes()
    if _SIGN.encode() in raw:
        return None
    backup = path.with_name(path.name + _BACKUP)
    try:
        with backup.open("xb") as stream:
            stream.write(raw)
    except FileExistsError as error:
        raise InputError(f"{backup} is in the way", hint="move it elsewhere and repeat") from error
    text = raw.decode("utf-8", errors="surrogateescape")
    banner = _html(report) if suffix.startswith(".htm") else _markdown(report)
    _replace(path, _with(banner, text, is_html=suffix.startswith(".htm")))
    return path


def _told(report: Report) -> str:
    first = report.reasons[0]
    return f"numbers here may not be measured (line {first.line}: {first.text})"


def _markdown(report: Report) -> str:
    clean = _told(report).replace("-->", "").replace("\n", " ")
    return f"<!-- {_SIGN} -->\n> **Not evidence:** {clean}.\n\n"


def _html(report: Report) -> str:
    style = "border:2px solid #b00;padding:.6em;margin:.6em"
    text = escape(_told(report))
    return f'<!-- {_SIGN} --><div style="{style}"><b>Not evidence:</b> {text}.</div>\n'


def _with(banner: str, text: str, *, is_html: bool) -> str:
    """Behind ``<body>`` where there is one."""
    if is_html:
        at = text.lower().find("<body")
        end = text.find(">", at) + 1 if at >= 0 else 0
        return text[:end] + banner + text[end:]
    return banner + text


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(text.encode("utf-8", errors="surrogateescape"))
    part.replace(path)
