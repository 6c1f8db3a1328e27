"""Reading safetensors without copying: NumPy views into a memory map of the kept file.

Source: the safetensors format (github.com/huggingface/safetensors#format): 8 bytes little-endian
header length, JSON header, then the bytes that the header's offsets are relative to.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from ipfs_accelerate.content.blockstore.faults import os_faults
from ipfs_accelerate.errors import ModelFormatError

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np

__all__ = ["SafeTensors"]

#: Longest header. Source: `MAX_HEADER_SIZE` of the reference implementation.
_MAX_HEADER_BYTES = 100_000_000
#: NumPy type of each stored type; those NumPy lacks are seen as integers of their width.
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
    "F8_E4M3": "u1", "F8_E5M2": "u1", "F8_E8M0": "u1", "C64": "<c8",
}  # fmt: skip


class SafeTensors(Mapping[str, "np.ndarray[Any, np.dtype[Any]]"]):
    """The tensors of one file, read-only, in memory only as far as they are touched.

    Types that NumPy lacks (BF16, F8) come as unsigned integers of the same width; `stored_dtype`
    tells. The views stay right as long as they live, also after `close` and when the store
    collects the file.

    Raises:
        ModelFormatError: The file is not valid safetensors.
    """

    def __init__(self, path: Path) -> None:
        with os_faults(f"mapping {path}"), path.open("rb") as stream:
            size_bytes = path.stat().st_size
            if size_bytes < 8:
                raise ModelFormatError(f"{path} has {size_bytes} bytes, too few for safetensors")
            self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self._path = path
        try:
            header, self._start = self._read_header(size_bytes)
            self.metadata = self._check_metadata(header.pop("__metadata__", {}))
            self._entries = {name: self._entry(name, header[name]) for name in header}
            self._check_spans(size_bytes - self._start)
        except BaseException:
            self._map.close()
            raise

    def stored_dtype(self, name: str) -> str:
        """The type as the file names it, such as ``BF16``."""
        return self._entries[name][0]

    def __getitem__(self, name: str) -> np.ndarray[Any, np.dtype[Any]]:
        import numpy as np

        stored, shape, begin, _ = self._entries[name]
        flat = np.frombuffer(
            self._map, np.dtype(_DTYPES[stored]), math.prod(shape), self._start + begin
        )
        return flat.reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def close(self) -> None:
        """Unmap the file, once no view uses it any more."""
        try:
            self._map.close()
        except BufferError:  # views live: the last one unmaps
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read_header(self, size_bytes: int) -> tuple[dict[str, Any], int]:
        length = int.from_bytes(self._map[:8], "little")
        if length > min(_MAX_HEADER_BYTES, size_bytes - 8):
            raise ModelFormatError(f"{self._path} claims a header of {length} bytes")
        try:
            header = json.loads(self._map[8 : 8 + length])
        except (ValueError, RecursionError) as error:
            raise ModelFormatError(f"the header of {self._path} is not JSON: {error}") from error
        if not isinstance(header, dict):
            raise ModelFormatError(f"the header of {self._path} is no object")
        return header, 8 + length

    def _check_metadata(self, value: object) -> dict[str, str]:
        if not isinstance(value, dict) or any(
            type(part) is not str for pair in value.items() for part in pair
        ):
            raise ModelFormatError(f"the metadata of {self._path} is not text to text")
        return value

    def _entry(self, name: str, value: object) -> tuple[str, tuple[int, ...], int, int]:
        try:
            fields = cast("dict[str, Any]", value)
            stored, shape = fields["dtype"], fields["shape"]
            begin, end = fields["data_offsets"]
            numbers = [*shape, begin, end]
            if any(type(n) is not int or n < 0 for n in numbers) or stored not in _DTYPES:
                raise ValueError(f"type {stored!r}, shape {shape!r}, offsets {begin!r} {end!r}")
            width = int(_DTYPES[stored][-1]) if stored != "BOOL" else 1
            if math.prod(shape) * width != end - begin:
                raise ValueError(f"{stored} of shape {shape} does not fill {begin} to {end}")
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFormatError(f"tensor {name!r} of {self._path}: {error}") from error
        return stored, tuple(shape), begin, end

    def _check_spans(self, data_bytes: int) -> None:
        """No holes and no overlaps, as the format demands."""
        at = 0
        for name, (_, _, begin, end) in sorted(self._entries.items(), key=lambda e: e[1][2:]):
            if begin != at:
                raise ModelFormatError(
                    f"tensor {name!r} of {self._path} begins at {begin}, not {at}"
                )
            at = end
        if at != data_bytes:
            raise ModelFormatError(f"{self._path} has {data_bytes} bytes of data, not {at}")
