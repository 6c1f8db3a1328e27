"""Where a file is cut into chunks.

``size`` cuts every ``chunk_bytes``. ``fastcdc`` cuts where a rolling hash of the content says so:
an insertion or a changed part moves only the cuts beside it, and two versions of a file share most
chunks. Its cuts are those of FastCDC as published in 2020 and follow from the profile alone:

* ``hash = 0`` at each chunk's start; the first ``chunk_min_bytes`` are skipped;
* two bytes a step, at even positions ``p`` of the chunk: ``hash = (hash << 2) + 2 gear[b[p]]``, cut
  before ``p`` if ``hash & 2 mask == 0``; then ``hash += gear[b[p+1]]``, cut before ``p + 1`` if
  ``hash & mask == 0``; all modulo 2^64;
* ``mask`` has ``log2(chunk_bytes) + chunk_normalization`` bits set before position ``chunk_bytes``,
  ``log2(chunk_bytes) - chunk_normalization`` after it; `masks` and `gear_table` give the values;
* no chunk is longer than ``chunk_max_bytes``; the last one may be shorter than the least.

Source: Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based
Storage Systems", IEEE TPDS 2020; gear and mask tables of its authors' destor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from ipfs_accelerate.errors import MissingExtraError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyfastcdc import BinaryStreamReader, FastCDC

    from ipfs_accelerate.content.profiles import ImportProfile

__all__ = ["fixed_spans", "gear_table", "iter_chunks", "iter_spans", "masks"]


def fixed_spans(size_bytes: int, chunk_bytes: int) -> Iterator[tuple[int, int]]:
    """Offset and size of every chunk of a file; one empty chunk for an empty file."""
    for offset in range(0, max(size_bytes, 1), chunk_bytes):
        yield offset, min(chunk_bytes, size_bytes - offset)


def iter_spans(stream: BinaryIO, profile: ImportProfile) -> Iterator[tuple[int, int]]:
    """Offset and size of every chunk of a stream; see `iter_chunks`."""
    offset = 0
    for chunk in iter_chunks(stream, profile):
        size = len(chunk)
        yield offset, size
        offset += size


def iter_chunks(stream: BinaryIO, profile: ImportProfile) -> Iterator[memoryview]:
    """Cut a stream; memory is bounded by two of the largest chunks.

    How many bytes a single read returns makes no difference. One empty chunk for an empty stream.

    Yields:
        Bytes that are valid until the next chunk is asked for.

    Raises:
        UnknownNameError: The profile names a chunker that does not exist.
        MissingExtraError: The chunker is not installed.
    """
    if profile.chunker not in _CHUNKERS:
        raise UnknownNameError(profile.chunker, _CHUNKERS)
    is_empty = True
    for chunk in _CHUNKERS[profile.chunker](stream, profile):
        is_empty = False
        yield chunk
    if is_empty:
        yield memoryview(b"")


def gear_table() -> tuple[int, ...]:
    """The 256 values that ``fastcdc`` adds for each byte, as seed 0 leaves them."""
    from pyfastcdc.py.constants import GEAR

    return tuple(GEAR)


def masks(profile: ImportProfile) -> tuple[int, int]:
    """The masks before and after position ``chunk_bytes`` of a chunk."""
    from pyfastcdc.py.constants import MASKS

    bits = profile.chunk_bytes.bit_length() - 1
    return MASKS[bits + profile.chunk_normalization], MASKS[bits - profile.chunk_normalization]


def _fixed(stream: BinaryIO, profile: ImportProfile) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(profile.chunk_bytes))
    while True:
        filled = 0
        while filled < len(buffer):
            # every binary stream has it; the type of the standard library does not say so
            count = cast("int", stream.readinto(buffer[filled:]))  # type: ignore[attr-defined]
            if not count:
                break
            filled += count
        if filled:
            yield buffer[:filled]
        if filled < len(buffer):
            return


def _content_defined(stream: BinaryIO, profile: ImportProfile) -> Iterator[memoryview]:
    for chunk in _fastcdc(profile).cut_stream(cast("BinaryStreamReader", stream)):
        yield chunk.data


def _fastcdc(profile: ImportProfile) -> FastCDC:
    try:
        from pyfastcdc import FastCDC
    except ImportError as error:
        raise MissingExtraError(
            "content", needed_for="content-defined chunking", module="pyfastcdc"
        ) from error
    return FastCDC(
        profile.chunk_bytes,
        min_size=profile.chunk_min_bytes,
        max_size=profile.chunk_max_bytes,
        normalized_chunking=profile.chunk_normalization,  # type: ignore[arg-type]
        seed=profile.chunk_seed,
    )


_CHUNKERS = {"size": _fixed, "fastcdc": _content_defined}
