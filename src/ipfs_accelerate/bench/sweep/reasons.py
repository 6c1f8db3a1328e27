"""The first useful line of an error, and whether it says that something is missing here."""

from __future__ import annotations

import re

from ipfs_accelerate.errors import AccelerateError, Category

__all__ = ["Reason", "reason_of"]

from dataclasses import dataclass

_LONGEST = 240
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[/\\][\w.+\-@ ]+){2,}[/\\]([\w.+\-@]+)")
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
# Lines that announce an error without saying what it is.
_NOISE = re.compile(
    r"^(?:Traceback|Failed to (?:export|convert) the model|This is step|Please |The error above|"
    r"While executing|Original traceback|Exception (?:from|raised)|## |[-=*#\s]*$|"
    r"If you believe|Use tlparse|\(Exception|check condition|Check '.*' failed at)",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"requires the ([\w.\-]+) library|No module named '([\w.\-]+)'|"
    r"requires? ['`]?([\w.\-]+)['`]? to be installed|(?:pip install|install) ['`]?([\w.\-]+)"
)
_NEEDS_GPU = re.compile(
    r"not compiled with CUDA|Found no NVIDIA driver|requires? (?:a )?(?:CUDA|GPU)|"
    r"only (?:supported|available) on (?:CUDA|GPU)|No GPU found",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something failed.

    Attributes:
        error_class: Type of the innermost error.
        first_line: Its first useful line, without paths and addresses of this machine.
        is_missing: Whether a library or a device is missing here.
    """

    error_class: str
    first_line: str
    is_missing: bool


def reason_of(error: BaseException) -> Reason:
    """Of the innermost cause that says something."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    found = next((e for e in reversed(chain) if _useful(str(e))), chain[-1])
    name = type(found).__name__
    line = _useful(str(found)) or name
    if isinstance(found, AccelerateError):
        return Reason(name, line, found.category is Category.UNAVAILABLE)
    missing = _MISSING.search(str(found)) if isinstance(found, ImportError) else None
    if missing:
        name_of_it = next(g for g in missing.groups() if g)
        line = f"needs the library {name_of_it}, which is not installed (pip install {name_of_it})"
    return Reason(name, line, bool(missing or _NEEDS_GPU.search(str(found))))


def _useful(text: str) -> str:
    lines = (_clean(line) for line in _COLOURS.sub("", text).splitlines())
    return next((line[:_LONGEST] for line in lines if line and not _NOISE.match(line)), "")


def _clean(line: str) -> str:
    return _ADDRESS.sub("0x…", _PATH.sub(r"\1", line)).strip()
