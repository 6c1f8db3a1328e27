"""Any bytes are a CAR or a typed error."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.car import read_car, write_car
from ipfs_accelerate.errors import AccelerateError

_ROOT = Cid.of(b"root")


def good() -> bytes:
    out = io.BytesIO()
    write_car(out, [_ROOT], [(_ROOT, b"root")])
    return out.getvalue()


@given(data=st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(lambda b: good() + b)))
def test_hostile_bytes_end_in_blocks_or_a_typed_error(data: bytes) -> None:
    try:
        for cid, block in read_car(io.BytesIO(data)):
            cid.verify(block)
    except AccelerateError:
        return


@given(blocks=st.lists(st.binary(max_size=100), max_size=20), version=st.sampled_from([1, 2]))
def test_what_is_written_is_read(blocks: list[bytes], version: int) -> None:
    named = [(Cid.of(block), block) for block in blocks]
    out = io.BytesIO()
    write_car(out, [_ROOT], named, version=version)
    out.seek(0)
    reader = read_car(out)
    assert list(reader) == named
    assert reader.version == version
