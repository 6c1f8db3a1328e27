"""Verification of a model's folder before anything in it is used.

What is checked: every file lies inside the folder; configurations parse; safetensors and ONNX
files are valid; shards are complete; sizes and hashes agree with a manifest where there is one;
pickles and archives are refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import (
    AccelerateError,
    IntegrityError,
    ModelFormatError,
    UnsafeModelError,
)
from ipfs_accelerate.models import safety
from ipfs_accelerate.models.artifact import ManifestFile
from ipfs_accelerate.models.manifest import MANIFEST_NAME, read_manifest
from ipfs_accelerate.models.verification_files import Inspection, inspect, kind_of, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ipfs_accelerate.models.manifest import Expected, FactCache

__all__ = ["FileCheck", "VerificationReport", "verify_directory", "verify_file"]

WEIGHT_KINDS = frozenset({"safetensors", "onnx", "pytorch_bin", "openvino", "gguf", "tflite"})

#: What a single weights file is used with.
_BESIDE = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
)


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What was found about one file.

    Attributes:
        path: POSIX path relative to the folder.
        kind: ``safetensors``, ``onnx``, ``onnx_data``, ``config``, ``tokenizer``, ….
        size_bytes: ``None`` when the file is missing.
        sha256: ``None`` when it could not be hashed.
        checks: What was checked, in words.
        facts: What an inspector found (parameters, inputs of a graph).
        problem: Why the file must not be used; ``None`` when it may.
        cid: Content identifier its source fetched and verified it by.
    """

    path: str
    kind: str
    size_bytes: int | None
    sha256: str | None
    checks: tuple[str, ...] = ()
    facts: Mapping[str, object] | None = None
    problem: AccelerateError | None = None
    cid: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values, without the facts."""
        return {
            "path": self.path,
            "kind": self.kind,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "checks": list(self.checks),
            "problem": None if self.problem is None else self.problem.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The result of a verification; nothing is raised before everything was looked at.

    Attributes:
        directory: Folder that paths are relative to.
        files: Every file that a model of this folder uses, and every file with a problem.
        skipped: Path → why the file is neither checked nor used.
        problems: Those of the folder as a whole and of its files.
    """

    directory: Path
    files: tuple[FileCheck, ...]
    skipped: Mapping[str, str]
    folder_problems: tuple[AccelerateError, ...] = ()

    @property
    def problems(self) -> tuple[AccelerateError, ...]:
        """All problems, the gravest (unsafe) first."""
        found = [*self.folder_problems, *(f.problem for f in self.files if f.problem)]
        return tuple(sorted(found, key=lambda error: not isinstance(error, UnsafeModelError)))

    @property
    def is_ok(self) -> bool:
        """Whether the model may be used."""
        return not self.problems

    def raise_first(self) -> None:
        """Raise the gravest problem, if there is one."""
        for problem in self.problems:
            raise problem

    def manifest(self) -> tuple[ManifestFile, ...]:
        """The verified files, sorted by path."""
        rows = [
            ManifestFile(f.path, f.size_bytes, f.sha256, f.cid)
            for f in self.files
            if f.problem is None and f.size_bytes is not None and f.sha256 is not None
        ]
        return tuple(sorted(rows, key=lambda row: row.path))

    @property
    def formats(self) -> frozenset[str]:
        """Weight formats present."""
        return frozenset(f.kind for f in self.files if f.kind in WEIGHT_KINDS)


def verify_directory(
    directory: Path,
    *,
    cache: FactCache,
    expected: Mapping[str, Expected] | None = None,
    is_full: bool = False,
    allow_pickle: bool = False,
) -> VerificationReport:
    """Check a model's folder.

    Args:
        directory: The folder.
        cache: Where hashes and facts are remembered.
        expected: What its source says of the files; the folder's own manifest when ``None``.
        is_full: Hash every file again instead of trusting size, times and inode.
        allow_pickle: Use pickled weights where there are no others.
    """
    try:
        paths = list(safety.iter_files(directory))
        own = directory / MANIFEST_NAME
        wanted = _own_manifest(own) if expected is None and own.is_file() else dict(expected or {})
    except AccelerateError as error:
        return VerificationReport(directory, (), {}, (error,))
    kinds = {path: kind_of(directory / path) for path in paths}
    chosen, skipped = _choose(kinds, allow_pickle=allow_pickle)
    inspection = Inspection(directory, cache, is_full=is_full, allow_pickle=allow_pickle)
    checks = [_check(inspection, path, kind, wanted.get(path)) for path, kind in chosen.items()]
    checks.extend(_companions(inspection, checks, wanted))
    seen = {check.path for check in checks}
    checks.extend(_unlisted(inspection, path, wanted[path]) for path in sorted(set(wanted) - seen))
    problems = [*_shard_problems(directory, checks), *_emptiness(directory, checks)]
    for check in checks:
        skipped.pop(check.path, None)
    return VerificationReport(directory, tuple(checks), skipped, tuple(problems))


def verify_file(
    file: Path, *, cache: FactCache, is_full: bool = False, allow_pickle: bool = False
) -> VerificationReport:
    """Check a single weights file with what belongs to it.

    That is the external data of a graph, and configuration and tokenizer where a ``config.json``
    lies beside the file.
    """
    inspection = Inspection(file.parent, cache, is_full=is_full, allow_pickle=allow_pickle)
    kind = kind_of(file) or "other"
    check = _check(inspection, file.name, kind, None)
    if check.problem is None and kind not in WEIGHT_KINDS:
        problem = ModelFormatError(
            f"{file} is no model file that can be used",
            hint="give a folder, or a .safetensors, .onnx, .gguf or .tflite file",
        )
        return VerificationReport(file.parent, (check,), {}, (problem,))
    beside = _BESIDE if (file.parent / "config.json").is_file() else ()
    checks = [check, *_companions(inspection, [check], {})]
    checks += [
        _check(inspection, name, kind_of(file.parent / name) or "other", None)
        for name in beside
        if (file.parent / name).is_file()
    ]
    return VerificationReport(file.parent, tuple(checks), {})


def _own_manifest(path: Path) -> dict[str, Expected]:
    """What the folder says of itself; its CIDs are nobody's proof."""
    return {name: replace(row, cid=None) for name, row in read_manifest(path).items()}


def _choose(
    kinds: Mapping[str, str | None], *, allow_pickle: bool
) -> tuple[dict[str, str], dict[str, str]]:
    has_safe = any(kind in WEIGHT_KINDS - {"pytorch_bin"} for kind in kinds.values())
    chosen: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for path, kind in kinds.items():
        if kind is None:
            skipped[path] = "not part of a model"
        elif kind == "remote_code":
            skipped[path] = "code brought by the model; never run unless explicitly allowed"
        elif kind == "pytorch_bin" and has_safe and not allow_pickle:
            skipped[path] = "pickle, not needed: safe weights lie beside it"
        else:
            chosen[path] = kind
    return chosen, skipped


def _check(inspection: Inspection, path: str, kind: str, expected: Expected | None) -> FileCheck:
    file = inspection.directory / path
    size: int | None = None
    digest: str | None = None
    done: list[str] = []
    facts: Mapping[str, object] | None = None
    problem: AccelerateError | None = None
    try:
        safety.confine(inspection.directory, path)
        size = file.stat().st_size
        inspection.refuse_pickle(file, kind)
        if expected is not None:
            done += inspection.compare_size(file, size, expected)
        digest = inspection.cache.sha256(file, fresh=inspection.is_full)
        if expected is not None:
            done += inspection.compare_hash(file, digest, expected)
        facts, what = inspect(inspection, file, kind, digest)
        done += what
    except AccelerateError as error:
        problem = error
    except OSError as error:
        problem = IntegrityError(f"{file} cannot be read: {error.strerror or error}")
    cid = expected.cid if expected is not None and problem is None else None
    return FileCheck(path, kind, size, digest, tuple(done), facts, problem, cid)


def _companions(
    inspection: Inspection, checks: Iterable[FileCheck], wanted: Mapping[str, Expected]
) -> list[FileCheck]:
    """External data of the graphs found; they are part of the model whatever their name is."""
    names: list[str] = []
    known = {check.path for check in checks}
    for check in checks:
        for location in (check.facts or {}).get("external_files", ()):  # type: ignore[attr-defined]
            path = (PurePosixPath(check.path).parent / str(location)).as_posix()
            if path not in known and path not in names:
                names.append(path)
    return [_check(inspection, path, "onnx_data", wanted.get(path)) for path in names]


def _unlisted(inspection: Inspection, path: str, expected: Expected) -> FileCheck:
    file = inspection.directory / path
    if file.is_file():
        return _check(inspection, path, "other", expected)
    problem = IntegrityError(
        f"{file} is missing", hint="fetch the model again", details={"missing": path}
    )
    return FileCheck(path, "other", None, None, ("present",), None, problem)


def _shard_problems(directory: Path, checks: Iterable[FileCheck]) -> list[AccelerateError]:
    by_path = {check.path: check for check in checks}
    problems: list[AccelerateError] = []
    for path in [path for path in by_path if path.endswith(".safetensors.index.json")]:
        try:
            _check_index(directory, path, by_path)
        except AccelerateError as error:
            problems.append(error)
    return problems


def _check_index(directory: Path, path: str, checks: Mapping[str, FileCheck]) -> None:
    index = read_json(directory / path)
    weights = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(v, str) for v in weights.values()):
        raise ModelFormatError(f"{directory / path} has no weight_map")
    folder = PurePosixPath(path).parent
    by_shard: dict[str, list[str]] = {}
    for tensor, shard in weights.items():
        by_shard.setdefault(shard, []).append(tensor)
    for shard, tensors in sorted(by_shard.items()):
        file = safety.confine(directory / folder, shard, root=safety.trusted_root(directory))
        check = checks.get((folder / shard).as_posix())
        if check is None:
            raise IntegrityError(
                f"{file} is missing: the index {path} names it", hint="fetch the model again"
            )
        _check_shard(file, check, tensors)


def _check_shard(file: Path, check: FileCheck, tensors: list[str]) -> None:
    if check.problem is not None or check.facts is None:
        return
    held = check.facts.get("tensors")
    absent = sorted(set(tensors) - set(held if isinstance(held, list) else ()))
    if absent:
        raise IntegrityError(
            f"{file} lacks {len(absent)} tensors of its index, e.g. {absent[0]!r}",
            hint="fetch the model again",
        )


def _emptiness(directory: Path, checks: Iterable[FileCheck]) -> list[AccelerateError]:
    if any(check.kind in WEIGHT_KINDS for check in checks):
        return []
    return [
        IntegrityError(
            f"{directory} holds no weights",
            hint="a model's folder has a .safetensors, .onnx, .gguf or .tflite file",
        )
    ]


def load_json_object(path: Path) -> dict[str, object]:
    """A JSON file that must hold an object; empty when the file does not exist."""
    if not path.is_file():
        return {}
    value = read_json(path)
    if not isinstance(value, dict):
        raise ModelFormatError(f"{path} is not a JSON object but {json.dumps(value)[:60]}")
    return value
