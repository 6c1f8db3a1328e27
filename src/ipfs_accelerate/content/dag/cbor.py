"""DAG-CBOR with `Cid` as links; the strict grammar is cbrrr's.

Source: ipld.io/specs/codecs/dag-cbor/spec.
"""

from __future__ import annotations

from typing import Any

from ipfs_accelerate.content.cid import Bytes, Cid
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError

__all__ = ["decode", "encode"]


def encode(value: Any) -> bytes:  # noqa: ANN401 - whatever CBOR can hold
    """The canonical form of a value.

    Args:
        value: ``None``, booleans, 64-bit integers, finite floats, text, bytes, `Cid`, lists, and
            dicts keyed by text.

    Raises:
        ContentFormatError: It holds something that DAG-CBOR cannot.
    """
    from cbrrr import encode_dag_cbor

    try:
        return encode_dag_cbor(value, cid_type=Cid)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ContentFormatError(f"not expressible in DAG-CBOR: {error}") from error


def decode(data: Bytes) -> Any:  # noqa: ANN401 - whatever CBOR can hold
    """Read a value; links become `Cid`.

    Raises:
        ContentFormatError: It is not valid DAG-CBOR, or something follows it.
        ContentLimitError: It is larger than any block may be.
    """
    from cbrrr import decode_dag_cbor

    if len(data) > MAX_BLOCK_BYTES:
        raise ContentLimitError(f"{len(data)} bytes of DAG-CBOR are more than {MAX_BLOCK_BYTES}")
    try:
        return decode_dag_cbor(bytes(data), cid_ctor=Cid.from_bytes)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ContentFormatError(f"not DAG-CBOR: {error}") from error
