"""Headers that lie about length, offsets, shapes or types are refused before they are read."""

import json
import struct

import pytest

from ipfs_accelerate.errors import IntegrityError, ModelError, ModelFormatError
from ipfs_accelerate.models import resolve, verify
from ipfs_accelerate.models.verification_safetensors import read_safetensors_header

TENSOR = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def forged(header, buffer=b"\0" * 24):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + buffer


def two(first, second, size):
    """Two byte tensors at the given spans."""
    spans = {"a": first, "b": second}
    header = {
        name: {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}
        for name, (begin, end) in spans.items()
    }
    return forged(header, b"\0" * size)


FORMAT = {
    "huge header length": struct.pack("<Q", 2**62) + b"{}" + b" " * 100,
    "header beyond 100 MB": struct.pack("<Q", 100_000_001) + b"{" + b" " * 100,
    "header is a list": forged(b"[]"),
    "header is not JSON": forged(b"{nothing"),
    "header is a bomb of brackets": forged(b'{"a":' + b"[" * 100_000),
    "a name occurs twice": forged(
        b'{"a":{"dtype":"U8","shape":[24],"data_offsets":[0,24]},'
        b'"a":{"dtype":"U8","shape":[24],"data_offsets":[0,24]}}'
    ),
    "metadata is not strings": forged({"__metadata__": {"a": 1}, "weight": TENSOR}),
    "unknown dtype": forged({"weight": {**TENSOR, "dtype": "F31"}}),
    "dtype is a list": forged({"weight": {**TENSOR, "dtype": ["F32"]}}),
    "negative shape": forged({"weight": {**TENSOR, "shape": [-2, -3]}}),
    "fractional shape": forged({"weight": {**TENSOR, "shape": [2.0, 3]}}),
    "boolean shape": forged({"weight": {**TENSOR, "shape": [True, 6]}}),
    "shape that overflows": forged({"weight": {**TENSOR, "shape": [2**62, 2**62]}}),
    "shape larger than its span": forged({"weight": {**TENSOR, "shape": [200, 3]}}),
    "negative offset": forged({"weight": {**TENSOR, "data_offsets": [-24, 0]}}),
    "offsets the wrong way round": forged({"weight": {**TENSOR, "data_offsets": [24, 0]}}),
    "three offsets": forged({"weight": {**TENSOR, "data_offsets": [0, 12, 24]}}),
    "missing dtype": forged({"weight": {"shape": [2, 3], "data_offsets": [0, 24]}}),
    "extra field": forged({"weight": {**TENSOR, "code": "import os"}}),
    "tensor is a string": forged({"weight": "F32"}),
    "overlap": two((0, 16), (8, 24), 24),
    "same bytes twice": two((0, 24), (0, 24), 24),
    "hole": two((0, 8), (16, 24), 24),
}
INTEGRITY = {
    "empty": b"",
    "seven bytes": b"\1\0\0\0\0\0\0",
    "header longer than the file": struct.pack("<Q", 1000) + b"{}" + b" " * 50,
    "truncated buffer": forged({"weight": TENSOR}, b"\0" * 23),
    "bytes after the tensors": forged({"weight": TENSOR}, b"\0" * 25),
    "offsets beyond the file": forged(
        {"weight": {"dtype": "U8", "shape": [2**40], "data_offsets": [0, 2**40]}}
    ),
    "a web page": b"<!DOCTYPE html><html>404</html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
}


@pytest.mark.parametrize("name", FORMAT)
def test_a_header_that_breaks_the_format_is_refused(folder, settings, name):
    (folder / "model.safetensors").write_bytes(FORMAT[name])

    with pytest.raises(ModelFormatError, match="is not valid safetensors"):
        resolve(folder, settings=settings)


@pytest.mark.parametrize("name", INTEGRITY)
def test_a_file_that_is_not_whole_is_refused(folder, settings, name):
    (folder / "model.safetensors").write_bytes(INTEGRITY[name])

    with pytest.raises(IntegrityError) as caught:
        resolve(folder, settings=settings)

    assert "model.safetensors" in caught.value.message
    assert caught.value.hint


def test_every_truncation_of_a_valid_file_is_refused(folder):
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    assert read_safetensors_header(file).parameters == 6

    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        with pytest.raises(ModelError):
            read_safetensors_header(file)


def test_the_library_would_accept_what_we_accept(folder):
    from safetensors import safe_open

    file = folder / "model.safetensors"
    read_safetensors_header(file)
    with safe_open(file, "np") as opened:
        assert opened.get_tensor("weight").shape == (2, 3)


def test_a_refused_file_stays_refused_from_the_cache(folder, settings):
    (folder / "model.safetensors").write_bytes(FORMAT["overlap"])

    for _ in range(2):
        assert not verify(folder, settings=settings, is_full=False).is_ok
