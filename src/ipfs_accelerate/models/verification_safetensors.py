"""Validity of safetensors files, decided from the bytes before any library reads them.

Source: https://github.com/huggingface/safetensors#format — eight bytes of header length (little
endian), a JSON header of at most 100 MB that starts with ``{``, then one buffer that the tensors
cover without holes or overlaps.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from ipfs_accelerate.errors import IntegrityError, ModelFormatError
from ipfs_accelerate.models.safety import refuse_disguise

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SafetensorsHeader", "read_safetensors_header"]

MAX_HEADER_BYTES = 100_000_000
_DTYPE_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
#: Positions and masks stored beside the weights, not weights.
_INDEX_DTYPES = frozenset({"BOOL", "I64", "U64"})


@dataclass(frozen=True, slots=True)
class SafetensorsHeader:
    """What a valid header says.

    Attributes:
        tensors: Name → (dtype, shape).
        parameters: Elements of all tensors but index buffers (64-bit integers, booleans).
        parameters_by_dtype: The same, split by dtype.
    """

    tensors: dict[str, tuple[str, tuple[int, ...]]]
    parameters: int
    parameters_by_dtype: dict[str, int]


def read_safetensors_header(path: Path) -> SafetensorsHeader:
    """Read and check the header of a safetensors file without touching the tensors.

    Raises:
        IntegrityError: The file is truncated or longer than its tensors.
        ModelFormatError: The header violates the format.
        UnsafeModelError: It is a pickle or an archive under this name.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        header, start = _read_header(path, stream, size)
    spans: list[tuple[int, int, str]] = []
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            _check_metadata(path, entry)
            continue
        dtype, shape, begin, end = _check_entry(path, name, entry)
        spans.append((begin, end, name))
        tensors[name] = (dtype, shape)
    _check_spans(path, sorted(spans), size - start)
    counts: dict[str, int] = {}
    for dtype, shape in tensors.values():
        if dtype not in _INDEX_DTYPES:
            counts[dtype] = counts.get(dtype, 0) + math.prod(shape)
    return SafetensorsHeader(tensors, sum(counts.values()), counts)


def _read_header(path: Path, stream: BinaryIO, size: int) -> tuple[dict[str, object], int]:
    head = stream.read(512)
    length = int.from_bytes(head[:8], "little")
    if len(head) < 9 or head[8:9] != b"{" or length > MAX_HEADER_BYTES:
        refuse_disguise(path, head)
        if len(head) < 9:
            raise IntegrityError(
                f"{path} is truncated: expected at least 9 bytes, found {size}", hint=_REFETCH
            )
        raise _bad(path, f"header length {length} or first byte {head[8:9]!r} is not allowed")
    if 8 + length > size:
        raise IntegrityError(
            f"{path} is truncated: its header alone needs {8 + length} bytes, found {size}",
            hint=_REFETCH,
            details={"expected_bytes": 8 + length, "found_bytes": size},
        )
    stream.seek(8)
    try:
        header = json.loads(stream.read(length), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"header is not JSON ({error})") from error
    if not isinstance(header, dict):
        raise _bad(path, "header is not an object")
    return header, 8 + length


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _check_metadata(path: Path, entry: object) -> None:
    if not isinstance(entry, dict) or not all(isinstance(v, str) for v in entry.values()):
        raise _bad(path, "__metadata__ is not a map of strings")


def _check_entry(path: Path, name: str, entry: object) -> tuple[str, tuple[int, ...], int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _bad(path, f"tensor {name!r} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPE_BITS:
        raise _bad(path, f"tensor {name!r} has unknown dtype {dtype!r}")
    if not isinstance(shape, list) or not all(_is_natural(n) for n in shape):
        raise _bad(path, f"tensor {name!r} has shape {shape!r}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_natural, offsets)):
        raise _bad(path, f"tensor {name!r} has data_offsets {offsets!r}")
    bits = math.prod(shape) * _DTYPE_BITS[dtype]
    begin, end = offsets
    if bits % 8 or end - begin != bits // 8:
        raise _bad(path, f"tensor {name!r} needs {bits / 8:g} bytes but spans {end - begin}")
    return dtype, tuple(shape), begin, end


def _is_natural(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _check_spans(path: Path, spans: list[tuple[int, int, str]], buffer_bytes: int) -> None:
    position = 0
    for begin, end, name in spans:
        if begin != position:
            what = "overlaps its predecessor" if begin < position else "leaves a hole"
            raise _bad(path, f"tensor {name!r} at {begin} {what} (expected {position})")
        position = end
    if position != buffer_bytes:
        state = "truncated" if buffer_bytes < position else "longer than its tensors"
        raise IntegrityError(
            f"{path} is {state}: expected {position} bytes of tensors, found {buffer_bytes}",
            hint=_REFETCH,
            details={"expected_bytes": position, "found_bytes": buffer_bytes},
        )


_REFETCH = "fetch the file again from its source"


def _bad(path: Path, why: str) -> ModelFormatError:
    return ModelFormatError(
        f"{path} is not valid safetensors: {why}", hint=_REFETCH, details={"file": str(path)}
    )
