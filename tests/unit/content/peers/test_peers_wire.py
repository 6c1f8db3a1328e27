from __future__ import annotations

import json

import numpy as np
import pytest

from ipfs_accelerate.content.peers.wire import (
    BEAT,
    MAX_HELLO_BYTES,
    Hello,
    Record,
    State,
    proof_of,
    read_line,
    records_line,
)
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError

ID = "0123456789abcdef" * 2
PLAIN = {"id": ID, "url": "http://127.0.0.1:80", "roots": ["bafy"]}


def test_a_hello_comes_back_as_it_was_sent():
    peer = Hello(ID[::-1], "http://10.0.0.2:8080", ("bafyother",))
    hello = Hello(ID, "http://10.0.0.1:8080", ("bafyroot",), (peer,))
    assert Hello.from_json(hello.to_json()) == hello


@pytest.mark.parametrize(
    "change",
    [
        {"id": "short"},
        {"id": 7},
        {"url": "ftp://host"},
        {"url": "http://user@host"},
        {"url": "http://host/path"},
        {"url": "http://host\r\nX: y"},
        {"roots": "bafy"},
        {"roots": ["../etc"]},
        {"peers": {}},
        {"peers": [7]},
    ],
)
def test_a_hello_that_makes_no_sense_is_refused(change):
    with pytest.raises(ContentFormatError):
        Hello.from_json(json.dumps(PLAIN | change).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused(body):
    with pytest.raises(ContentFormatError):
        Hello.from_json(body)


def test_a_hello_may_not_be_long_or_name_many():
    with pytest.raises(ContentLimitError):
        Hello.from_json(b" " * (MAX_HELLO_BYTES + 1))
    with pytest.raises(ContentLimitError):
        Hello.from_json(json.dumps(PLAIN | {"roots": ["b"] * 257}).encode())


def test_peers_of_peers_are_not_taken():
    nested = PLAIN | {"peers": [PLAIN | {"peers": [PLAIN]}]}
    assert Hello.from_json(json.dumps(nested).encode()).peers[0].peers == ()


def test_a_state_comes_back_as_it_was_sent():
    generator = np.random.default_rng(0)
    for leaves in (0, 1, 8, 13):
        state = State(True, generator.random(leaves) < 0.5, generator.random(leaves) < 0.5)
        found = read_line(state.to_line().rstrip(b"\n"))
        assert isinstance(found, State)
        assert found.is_member
        assert found.have.tolist() == state.have.tolist()
        assert found.claims.tolist() == state.claims.tolist()


def test_records_and_signs_of_life_come_back_as_they_were_sent():
    records = [(Record.HAVE, 12), (Record.CLAIM, 13), (Record.RELEASE, 0)]
    assert read_line(records_line(records).strip()) == records
    assert read_line(BEAT.strip()) == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x",
        b". .",
        b"r 12",
        b"r +",
        b"r +-1",
        b"r +99999999999",
        b"r +1,2",
        b"s 1 8 AA==",
        b"s 1 9 AA== AA==",
        b"s 1 -8 AA== AA==",
        b"s 1 99999999999 AA== AA==",
        b"s 1 8 A A",
        b"\xff",
    ],
)
def test_a_line_that_makes_no_sense_is_refused(line):
    with pytest.raises(ContentFormatError):
        read_line(line)


def test_a_proof_is_for_one_address_one_nonce_and_one_token():
    proof = proof_of("token", nonce="n", url="http://a:1")
    assert proof == proof_of("token", nonce="n", url="http://a:1/")
    others = {
        proof_of("token", nonce="n", url="http://b:1"),
        proof_of("token", nonce="m", url="http://a:1"),
        proof_of("tokem", nonce="n", url="http://a:1"),
    }
    assert proof not in others
