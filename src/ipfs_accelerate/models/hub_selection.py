"""Which files of a hub repository make up a model; pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import IntegrityError, UnsafeModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["select_files"]

_TEXTS = (".json", ".txt", ".model", ".spm", ".vocab", ".jinja")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_GRAPHS = {"model", "encoder_model", "decoder_model", "decoder_with_past_model"}
_VARIANT = re.compile(r"(?:int8|uint8|fp16|bf16|q4|q4f16|bnb4|quantized|_o[1-4])", re.IGNORECASE)
_MODULE = re.compile(r"\d+_\w+\Z")  # parts of a sentence-transformers model
_STATE = ("optimizer", "scheduler", "rng_state", "training_args", "scaler")


def select_files(repository: str, paths: Iterable[str], *, allow_pickle: bool = False) -> list[str]:
    """Choose configuration, tokenizer, safetensors and plain ONNX graphs.

    Quantized and reduced ONNX variants are left out: the product makes its own and says so.
    Pickles are chosen only where there is nothing else and they are allowed.

    Args:
        repository: Named in errors.
        paths: POSIX paths of all files of one commit.
        allow_pickle: See `resolver.resolve`.

    Raises:
        UnsafeModelError: The only weights are pickles, or a path leaves the repository.
        IntegrityError: There are no weights at all.
    """
    safe = [PurePosixPath(path) for path in paths if not _refuse_path(repository, path)]
    weights = [*_safetensors(safe), *_graphs(safe)]
    pickles = [p for p in safe if _is_top(p) and _is_pickle(p)]
    if not weights and pickles and not allow_pickle:
        raise UnsafeModelError(
            f"{repository} offers only pickled weights ({pickles[0]}); reading them can run code",
            hint="choose a repository with safetensors or ONNX, or pass allow_pickle=True"
            " (--allow-pickle) if you trust the author",
        )
    weights = weights or pickles
    if not weights:
        raise IntegrityError(
            f"{repository} holds no safetensors or ONNX weights",
            hint="give the id of a repository that has them",
            details={"files": [str(p) for p in safe][:50]},
        )
    texts = [p for p in safe if _is_text(p)]
    return sorted({str(p) for p in (*weights, *texts)})


def _refuse_path(repository: str, path: str) -> bool:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or not path:
        raise UnsafeModelError(f"{repository} names {path!r}, which is outside the repository")
    return False


def _is_top(path: PurePosixPath) -> bool:
    return len(path.parts) == 1 or (len(path.parts) == 2 and bool(_MODULE.match(path.parts[0])))


def _is_text(path: PurePosixPath) -> bool:
    if path.name.startswith(".") or path.name.endswith((".bin.index.json", ".h5.index.json")):
        return False
    return _is_top(path) and path.suffix in _TEXTS


def _is_pickle(path: PurePosixPath) -> bool:
    return path.suffix in _PICKLES and not path.name.startswith(_STATE)


def _safetensors(paths: list[PurePosixPath]) -> list[PurePosixPath]:
    found = [p for p in paths if _is_top(p) and p.suffix == ".safetensors"]
    named = [p for p in found if p.name.startswith("model") or len(p.parts) == 2]
    return named or found


def _graphs(paths: list[PurePosixPath]) -> list[PurePosixPath]:
    for folder in (".", "onnx"):
        here = [p for p in paths if str(p.parent) == folder]
        graphs = [p for p in here if p.suffix == ".onnx"]
        chosen = [p for p in graphs if p.stem in _GRAPHS]
        chosen = chosen or [p for p in graphs if not _VARIANT.search(p.stem)]
        if chosen:
            return [*chosen, *(p for p in here if _is_data_of(p, chosen))]
    return []


def _is_data_of(path: PurePosixPath, graphs: list[PurePosixPath]) -> bool:
    if path.suffix in {".data", ".weights"} and ".onnx" not in path.name:
        return True
    return any(path.name != g.name and path.name.startswith(g.name) for g in graphs)
