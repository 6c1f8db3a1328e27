"""Which files of a tree of content may be placed where a model is loaded from; pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ipfs_accelerate.models.safety import PICKLE_SUFFIXES
from ipfs_accelerate.models.verification_files import kind_of_name
from ipfs_accelerate.models.verification_onnx import external_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ipfs_accelerate.models.artifact import ModelArtifact

__all__ = ["Choice", "choose", "kinds_of", "stated_kinds"]

#: Files for people; harmless, and licences must travel with what they license.
_DOCUMENTS = frozenset({".md", ".txt", ".rst"})
_PLAIN_NAMES = frozenset({"LICENSE", "LICENCE", "NOTICE", "README", "COPYING"})
_CODE = frozenset({".py", ".pyc", ".so", ".sh", ".js", ".dll", ".dylib", ".exe", ".ipynb"})
_REFUSED = {
    "pytorch_bin": "a pickle; reading it can run code",
    "remote_code": "code; never run unless explicitly allowed",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What is placed and what is not.

    Attributes:
        placed: Paths, sorted.
        left_out: Path → why.
    """

    placed: tuple[str, ...]
    left_out: Mapping[str, str]


def kinds_of(paths: Iterable[str]) -> dict[str, str | None]:
    """What part of a model each path is by its name; ``None`` is none.

    Args:
        paths: All POSIX paths of one tree.
    """
    known = set(paths)
    return {path: _kind(path, known) for path in known}


def stated_kinds(artifact: ModelArtifact) -> dict[str, str | None]:
    """What each file of a verified model is, external data of its graphs included."""
    kinds = kinds_of(file.path for file in artifact.files)
    for component in artifact.components.values():
        if component.path is not None and component.path.suffix == ".onnx":
            folder = component.path.parent.relative_to(artifact.directory)
            for name in external_files(component.path):
                kinds[(folder / name).as_posix()] = "onnx_data"
    return kinds


def choose(kinds: Mapping[str, str | None], *, allow_pickle: bool = False) -> Choice:
    """Decide by kind; a stated kind never makes a pickle or code anything else.

    Args:
        kinds: Path → kind as its publisher states it, or ``None``; all paths of one tree.
        allow_pickle: Place pickled weights too.
    """
    by_name = kinds_of(kinds)
    placed: list[str] = []
    left_out: dict[str, str] = {}
    for path, stated in sorted(kinds.items()):
        kind = by_name[path] or _external_data(path, stated)
        if kind is None:
            left_out[path] = "not part of a model"
        elif kind in _REFUSED and not (kind == "pytorch_bin" and allow_pickle):
            left_out[path] = _REFUSED[kind]
        else:
            placed.append(path)
    return Choice(tuple(placed), left_out)


def _kind(path: str, known: set[str]) -> str | None:
    pure = PurePosixPath(path)
    if any(part.startswith(".") for part in pure.parts):
        return None
    if pure.suffix.lower() in _CODE:
        return "remote_code"
    found = kind_of_name(pure.name, has_graph=lambda: str(pure.with_suffix(".xml")) in known)
    if found is None and (pure.suffix.lower() in _DOCUMENTS or pure.name in _PLAIN_NAMES):
        return "documentation"
    return found


def _external_data(path: str, stated: str | None) -> str | None:
    """External data of a graph may have any name but a dangerous one."""
    suffix = PurePosixPath(path).suffix.lower()
    is_odd = suffix in PICKLE_SUFFIXES | _CODE or PurePosixPath(path).name.startswith(".")
    return "onnx_data" if stated == "onnx_data" and not is_odd else None
