"""What kind of file it is, and the checks of one file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import IntegrityError, ModelFormatError, UnsafeModelError
from ipfs_accelerate.models.safety import (
    PICKLE_SUFFIXES,
    is_archive,
    is_pickle,
    refuse_disguise,
)
from ipfs_accelerate.models.verification_onnx import check_external_data, inspect_onnx
from ipfs_accelerate.models.verification_safetensors import read_safetensors_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.models.manifest import Expected, FactCache

__all__ = ["Inspection", "inspect", "kind_of", "kind_of_name", "read_json"]

MAX_JSON_BYTES = 256 * 2**20
_INSPECTOR = "1"  # raised when an inspector finds other facts, so that old ones are not used
_KINDS = {
    ".safetensors": "safetensors",
    ".onnx": "onnx",
    ".gguf": "gguf",
    ".tflite": "tflite",
    ".json": "config",
    ".model": "tokenizer",
    ".spm": "tokenizer",
    ".txt": "tokenizer",
    ".vocab": "tokenizer",
    ".jinja": "tokenizer",
    ".xml": "openvino",
    ".py": "remote_code",
}
_UNUSED = {"README.txt", "LICENSE.txt", "NOTICE.txt", "requirements.txt", "training_args.bin"}
_OTHER_STATE = ("optimizer", "scheduler", "rng_state", "training_args", "trainer_state")


@dataclass(frozen=True, slots=True)
class Inspection:
    """How a folder is being verified; see `verification.verify_directory`."""

    directory: Path
    cache: FactCache
    is_full: bool = False
    allow_pickle: bool = False

    def refuse_pickle(self, file: Path, kind: str) -> None:
        """Raise for pickled weights unless they are allowed.

        Raises:
            UnsafeModelError: They are not.
        """
        if kind != "pytorch_bin" or self.allow_pickle:
            return
        raise UnsafeModelError(
            f"{file} holds pickled weights; reading them can run any code",
            hint="use a safetensors or ONNX version, or pass allow_pickle=True (--allow-pickle)"
            " if you trust the author",
            details={"file": str(file)},
        )

    def compare_size(self, file: Path, size_bytes: int, expected: Expected) -> list[str]:
        """Compare with what the source says.

        Raises:
            IntegrityError: They differ.
        """
        if expected.size_bytes is None:
            return []
        if size_bytes != expected.size_bytes:
            state = "truncated" if size_bytes < expected.size_bytes else "too long"
            raise _differs(file, f"is {state}", f"{expected.size_bytes} bytes", f"{size_bytes}")
        return ["size"]

    def compare_hash(self, file: Path, sha256: str, expected: Expected) -> list[str]:
        """Compare with what the source says.

        Raises:
            IntegrityError: They differ.
        """
        if expected.sha256 is not None:
            if sha256 != expected.sha256.lower():
                raise _differs(file, "has the wrong sha256", expected.sha256, sha256)
            return ["sha256"]
        if expected.git_sha1 is not None:
            found = git_blob_sha1(file)
            if found != expected.git_sha1.lower():
                raise _differs(file, "has the wrong git blob id", expected.git_sha1, found)
            return ["git blob id"]
        return []


def _differs(file: Path, state: str, expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        f"{file} {state}: expected {expected}, found {found}",
        hint="fetch the model again from its source",
        details={"file": str(file), "expected": expected, "found": found},
    )


def git_blob_sha1(file: Path) -> str:
    """The id git gives to a file's content.

    Source: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
    """
    digest = hashlib.sha1(f"blob {file.stat().st_size}\0".encode(), usedforsecurity=False)
    with file.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def kind_of(file: Path) -> str | None:
    """Kind of a file by its name and, where names deceive, its first bytes; ``None`` is no part."""
    return kind_of_name(file.name, has_graph=file.with_suffix(".xml").is_file)


def kind_of_name(name: str, *, has_graph: Callable[[], bool]) -> str | None:
    """Kind of a file by its name alone; ``None`` is no part of a model.

    Args:
        name: Without its folder.
        has_graph: Whether an ``.xml`` of the same stem lies beside it; asked for a ``.bin`` only.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if name in _UNUSED or name.startswith((".", "ipfs-accelerate.manifest")):
        return None
    if suffix in PICKLE_SUFFIXES:
        if name.startswith(_OTHER_STATE):
            return None
        if suffix == ".bin" and has_graph():
            return "openvino"
        return "pytorch_bin"
    if name.endswith((".onnx_data", ".onnx.data")):
        return "onnx_data"
    return _KINDS.get(suffix)


def inspect(
    inspection: Inspection, file: Path, kind: str, sha256: str
) -> tuple[dict[str, object], list[str]]:
    """Check the content of a file; facts of unchanged content come from the cache.

    Returns:
        Facts (JSON-serialisable) and what was checked, in words.

    Raises:
        ModelError: The file must not be used.
    """
    if kind not in _INSPECTORS:
        return {}, []
    run, checks = _INSPECTORS[kind]
    facts = inspection.cache.facts(sha256, f"{kind}/{_INSPECTOR}")
    if facts is None:
        facts = run(file)
        inspection.cache.remember(sha256, f"{kind}/{_INSPECTOR}", facts)
    if kind == "onnx":
        external = facts.get("external")
        entries = external if isinstance(external, list) else []
        facts = {**facts, "external_files": check_external_data(file, entries)}
    return facts, list(checks)


def read_json(file: Path) -> object:
    """Parse a JSON file of bounded size.

    Raises:
        ModelFormatError: It is too large or not JSON.
    """
    size = file.stat().st_size
    if size > MAX_JSON_BYTES:
        raise ModelFormatError(f"{file} has {size} bytes, more than {MAX_JSON_BYTES} for JSON")
    try:
        value: object = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        refuse_disguise(file, _head(file))
        raise ModelFormatError(f"{file} is not JSON: {error}", hint="fetch it again") from error
    return value


def _json_facts(file: Path) -> dict[str, object]:
    value = read_json(file)
    if file.name == "config.json" and not isinstance(value, dict):
        raise ModelFormatError(f"{file} is not a JSON object but {json.dumps(value)[:60]}")
    return {}


def _safetensors_facts(file: Path) -> dict[str, object]:
    header = read_safetensors_header(file)
    return {
        "parameters": header.parameters,
        "parameters_by_dtype": header.parameters_by_dtype,
        "tensors": sorted(header.tensors),
    }


def _gguf_facts(file: Path) -> dict[str, object]:
    head = _head(file)
    if head[:4] != b"GGUF":
        refuse_disguise(file, head)
        raise ModelFormatError(f"{file} is not GGUF: it begins with {head[:4]!r}, not b'GGUF'")
    version = int.from_bytes(head[4:8], "little")
    if len(head) < 24 or not 1 <= version <= 3:
        raise ModelFormatError(f"{file} has GGUF version {version} or is truncated")
    return {"version": version, "tensor_count": int.from_bytes(head[8:16], "little")}


def _tflite_facts(file: Path) -> dict[str, object]:
    head = _head(file)
    if head[4:8] != b"TFL3":
        refuse_disguise(file, head)
        raise ModelFormatError(
            f"{file} is not TFLite: its identifier is {head[4:8]!r}, not b'TFL3'"
        )
    return {}


def _openvino_facts(file: Path) -> dict[str, object]:
    head = _head(file)
    if file.suffix == ".xml":
        if b"<net" not in head:
            raise ModelFormatError(f"{file} is not an OpenVINO model: no <net> element")
        if not file.with_suffix(".bin").is_file():
            raise IntegrityError(f"{file.with_suffix('.bin')} is missing beside {file.name}")
    elif is_pickle(head) or is_archive(head):
        refuse_disguise(file, head)
    return {}


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(512)


_INSPECTORS = {
    "safetensors": (_safetensors_facts, ("header", "tensor spans")),
    "onnx": (inspect_onnx, ("graph", "onnx checker", "external data")),
    "gguf": (_gguf_facts, ("magic", "version")),
    "tflite": (_tflite_facts, ("identifier",)),
    "openvino": (_openvino_facts, ("pair of xml and bin",)),
    "config": (_json_facts, ("json",)),
}
