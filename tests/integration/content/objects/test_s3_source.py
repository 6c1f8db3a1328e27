"""Blocks out of the objects of several endpoints."""

import hashlib
from contextlib import closing
from dataclasses import replace

import pytest

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.dag.unixfs import wrap_leaf
from ipfs_accelerate.content.objects import Endpoint, HealthPolicy, ObjectPool
from ipfs_accelerate.content.sources import Want
from ipfs_accelerate.content.sources.ranges import OriginFile, RangeMap
from ipfs_accelerate.content.sources.s3 import S3Source, read_object_map, write_object_map
from ipfs_accelerate.errors import BlockMismatchError, ContentFormatError, ContentNotFoundError
from ipfs_accelerate.testing.conformance.source import (
    Gap,
    GapKind,
    Receiver,
    SourceCase,
    SourceConformance,
    fetch,
    sample_file,
)
from ipfs_accelerate.testing.s3_server import S3Fault

CONTENT = sample_file()
SHA256 = hashlib.sha256(CONTENT.data).hexdigest()
ORIGIN = OriginFile("model.safetensors", len(CONTENT.data), SHA256, is_one_block=False)
RANGES = RangeMap({CONTENT.layout.root: ORIGIN})
POLICY = HealthPolicy(first_pause_ns=50_000_000)


@pytest.fixture
def source(endpoints, store):
    store("release/model.safetensors", CONTENT.data)
    with closing(S3Source(ObjectPool(endpoints, policy=POLICY), RANGES, prefix="release")) as made:
        yield made


class TestS3Source(SourceConformance):
    @pytest.fixture
    def case(self, east, endpoints, store):
        store("release/model.safetensors", CONTENT.data)
        pool = ObjectPool(endpoints[:1], policy=POLICY)

        def corrupt(cid):
            leaf = next(leaf for leaf in CONTENT.layout.leaves if leaf.cid == cid)
            east.fail(S3Fault(flip_at=leaf.offset), method="GET")

        nowhere = replace(endpoints[0], url="http://127.0.0.1:1")
        return SourceCase(
            S3Source(pool, RANGES, prefix="release"),
            CONTENT,
            silence=lambda: east.fail(S3Fault(stall_at=0), times=99),
            corrupt=corrupt,
            stop=lambda: east.fail(S3Fault(is_reset=True), times=99),
            has_interior=False,
            unreachable=S3Source(ObjectPool([nowhere], attempts=1), RANGES),
            gaps={
                "test_blocks_arrive_by_name_alone": Gap(
                    GapKind.NEVER,
                    ContentNotFoundError,
                    "an object is asked for by offset, which a name alone does not say",
                )
            },
        )


def test_adjacent_leaves_are_one_request(source, east, west):
    receiver = Receiver()
    fetch(source, CONTENT.wants, receiver)
    assert len(east.requests) + len(west.requests) == 1
    assert len(receiver.got) == len(CONTENT.layout.leaves)


def test_wrapped_leaves_are_made_from_the_bytes(source):
    data = CONTENT.data[:5000]
    cid = Cid.of(wrap_leaf(data), codec=0x70, version=0)
    receiver = Receiver()
    fetch(source, [Want(cid, 5000, CONTENT.layout.root, 0)], receiver)
    assert receiver.got[cid] == wrap_leaf(data)


def test_an_endpoint_that_lies_is_distrusted_and_another_delivers(endpoints, store, east):
    store("release/model.safetensors", CONTENT.data)
    east.fail(S3Fault(flip_at=0), times=99, method="GET")
    policy = HealthPolicy(failures_to_open=1)
    with ObjectPool(endpoints, policy=policy) as pool:
        source = S3Source(pool, RANGES, prefix="release")
        with pytest.raises(BlockMismatchError):
            fetch(source, CONTENT.wants, Receiver())
        for _ in range(3):
            receiver = Receiver()
            fetch(source, CONTENT.wants, receiver)
            assert len(receiver.got) == len(CONTENT.layout.leaves)
        rows = {row.name: row.wrong_bytes for row in pool.statistics()}
    assert rows == {"east": 1, "west": 0}


def test_an_object_that_is_gone_is_a_block_that_is_gone(endpoints):
    with ObjectPool(endpoints) as pool, pytest.raises(ContentNotFoundError) as caught:
        fetch(S3Source(pool, RANGES, prefix="nothing-here"), CONTENT.wants, Receiver())
    assert caught.value.details["cid"] == str(CONTENT.layout.leaves[0].cid)


def test_an_object_map_says_what_lies_where():
    found = read_object_map(write_object_map([(CONTENT.layout.root, ORIGIN)]))
    file, piece = found.locate(CONTENT.wants[3])
    assert file == ORIGIN
    assert piece.offset == CONTENT.layout.leaves[3].offset


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schema": "ipfs-accelerate/object-map/2", "files": []}',
        b'{"schema": "ipfs-accelerate/object-map/1", "files": [{"cid": "x"}]}',
        b'{"schema": "ipfs-accelerate/object-map/1", "files": 3}',
        b'{"schema": "ipfs-accelerate/object-map/1", "files": [{"cid": "not-a-cid", "key": "k",'
        b' "size_bytes": 1, "sha256": "' + b"0" * 64 + b'"}]}',
        write_object_map([(CONTENT.layout.root, replace(ORIGIN, size_bytes=-1))]),
        write_object_map([(CONTENT.layout.root, replace(ORIGIN, sha256="../x"))]),
        write_object_map([(CONTENT.layout.root, replace(ORIGIN, path=""))]),
        b"[" * 100_000,
    ],
)
def test_what_is_no_object_map_is_refused(data):
    with pytest.raises(ContentFormatError):
        read_object_map(data)


def test_its_name_tells_endpoints_and_folder():
    pool = ObjectPool([Endpoint("a", "b00"), Endpoint("b", "b00")])
    assert S3Source(pool, RANGES, prefix="/org/model/").name == "s3:a+b/org/model"
