"""Whole files to and from several endpoints: verified, resumed, cleanly aborted."""

import hashlib
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from ipfs_accelerate.content.objects import ObjectPool
from ipfs_accelerate.content.objects.transfers import (
    TransferOptions,
    Version,
    copy,
    download,
    upload,
)
from ipfs_accelerate.errors import ConnectivityError, IntegrityError
from ipfs_accelerate.testing.s3_server import S3Fault

DATA = np.random.default_rng(7).bytes(1_000_003)
SHA256 = hashlib.sha256(DATA).hexdigest()
SMALL = TransferOptions(part_bytes=64 * 1024, parallelism=4)
PARTS = 16


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "model.safetensors"


def others(path):
    return [p.name for p in path.parent.iterdir() if p != path]


def test_a_file_comes_from_all_endpoints_at_once(pool, store, path):
    store("down/a", DATA)
    found = download(pool, "down/a", path, version=Version(sha256=SHA256), options=SMALL)
    assert path.read_bytes() == DATA
    assert found.is_proven
    assert sum(found.by_endpoint.values()) == len(DATA)
    assert all(found.by_endpoint[name] > len(DATA) // 4 for name in ("east", "west"))
    assert others(path) == []


def test_a_file_without_a_stated_hash_is_not_called_proven(pool, store, path):
    store("down/b", DATA)
    found = download(pool, "down/b", path, options=SMALL)
    assert (found.sha256, found.is_proven) == (SHA256, False)


def test_an_empty_file_is_a_file(pool, store, path):
    store("down/empty", b"")
    assert download(pool, "down/empty", path).size_bytes == 0
    assert path.read_bytes() == b""


def test_faults_on_the_way_are_survived(pool, store, path, east):
    store("down/c", DATA)
    faults = [
        S3Fault(status=503, code="SlowDown"),
        S3Fault(cut_at=1000),
        S3Fault(is_reset=True),
        S3Fault(status=500),
    ]
    for fault in faults:
        east.fail(fault, path="down/c", method="GET")
    download(pool, "down/c", path, version=Version(sha256=SHA256), options=SMALL)
    assert path.read_bytes() == DATA


def test_what_came_is_kept_and_continued(endpoints, store, path, east):
    store("down/d", DATA, at=["east"])
    cancel, seen = threading.Event(), []

    def progress(size_bytes):
        seen.append(size_bytes)
        if len(seen) == 6:
            cancel.set()

    options = replace(SMALL, parallelism=1, progress=progress, cancel=cancel)
    with ObjectPool(endpoints[:1]) as pool:
        with pytest.raises(InterruptedError):
            download(pool, "down/d", path, options=options)
        assert not path.exists()
        found = download(pool, "down/d", path, options=SMALL)
    assert path.read_bytes() == DATA
    assert found.resumed_bytes == sum(seen)
    ranges = [r.range for r in east.requests if r.range]
    assert len(ranges) == len(set(ranges)) == PARTS


def test_a_new_version_drops_the_parts_of_the_old(pool, store, path):
    store("down/e", DATA)
    cancel = threading.Event()
    options = replace(SMALL, parallelism=1, progress=lambda _: cancel.set(), cancel=cancel)
    with pytest.raises(InterruptedError):
        download(pool, "down/e", path, options=options)
    store("down/e", DATA[::-1])
    found = download(pool, "down/e", path, options=SMALL)
    assert path.read_bytes() == DATA[::-1]
    assert found.resumed_bytes == 0


def test_parts_that_rotted_on_disk_are_fetched_again(pool, store, path):
    store("down/f", DATA)
    cancel, seen = threading.Event(), []

    def progress(size_bytes):
        seen.append(size_bytes)
        if len(seen) == 4:
            cancel.set()

    options = replace(SMALL, parallelism=1, progress=progress, cancel=cancel)
    with pytest.raises(InterruptedError):
        download(pool, "down/f", path, options=options)
    with (path.parent / ".model.safetensors.part").open("r+b") as stream:
        stream.seek(70_000)
        stream.write(b"rotten")
    with (path.parent / ".model.safetensors.journal").open("ab") as stream:
        stream.write(b"9 0000")  # a line cut short
    found = download(pool, "down/f", path, options=SMALL)
    assert found.resumed_bytes == 3 * 64 * 1024
    assert path.read_bytes() == DATA


def test_wrong_bytes_of_one_endpoint_are_replaced_and_noted(pool, store, path, west):
    store("down/g", DATA)
    west.fail(S3Fault(flip_at=5), times=100, path="down/g", method="GET")
    download(pool, "down/g", path, version=Version(sha256=SHA256), options=SMALL)
    assert path.read_bytes() == DATA
    assert others(path) == []


def test_wrong_bytes_everywhere_leave_nothing(pool, store, path, east, west):
    store("down/h", DATA)
    for proxy in (east, west):
        proxy.fail(S3Fault(flip_at=5), times=100, path="down/h", method="GET")
    with pytest.raises(IntegrityError, match="at every endpoint"):
        download(pool, "down/h", path, version=Version(sha256=SHA256), options=SMALL)
    assert not path.exists()
    assert {row.name: row.wrong_bytes for row in pool.statistics()} == {"east": 1, "west": 1}


def test_the_wrong_size_is_refused_before_a_byte_is_fetched(pool, store, path, east):
    store("down/i", DATA)
    with pytest.raises(IntegrityError, match="no endpoint has the version"):
        download(pool, "down/i", path, version=Version(size_bytes=5))
    assert not [r for r in east.requests if r.method == "GET"]


def test_different_versions_at_two_endpoints_are_not_mixed(pool, store, path):
    store("down/j", DATA, at=["east"])
    store("down/j", DATA[:-1], at=["west"])
    found = download(pool, "down/j", path, options=SMALL)
    assert len(found.by_endpoint) == 1
    assert path.read_bytes() in {DATA, DATA[:-1]}


def test_a_version_is_known_by_etag_or_by_a_hash_that_an_etag_vouches_for(pool, store, path):
    store("down/l", DATA, at=["east"])
    store("down/l", DATA[::-1], at=["west"])
    etag = pool.head("down/l", endpoint="west").etag
    found = download(pool, "down/l", path, version=Version(etag=etag), options=SMALL)
    assert path.read_bytes() == DATA[::-1]
    assert set(found.by_endpoint) == {"west"}
    with pytest.raises(IntegrityError, match="no endpoint"):
        download(pool, "down/l", path, version=Version(etag='"gone"'))


KILLED = """
import sys, os, signal
from pathlib import Path
from ipfs_accelerate.content.objects import Endpoint, Keys, ObjectPool
from ipfs_accelerate.content.objects.transfers import TransferOptions, download

seen = []
def progress(size):
    seen.append(size)
    if len(seen) == 5:
        os.kill(os.getpid(), signal.SIGKILL)

endpoint = Endpoint("east", "east-models", url=sys.argv[1], keys=Keys("a", "b"))
options = TransferOptions(part_bytes=64 * 1024, parallelism=1, progress=progress)
download(ObjectPool([endpoint]), "down/k", Path(sys.argv[2]), options=options)
"""


def test_a_killed_process_leaves_parts_that_are_continued(pool, store, path, east):
    store("down/k", DATA, at=["east"])
    died = subprocess.run([sys.executable, "-c", KILLED, east.url, str(path)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert not path.exists()
    found = download(pool, "down/k", path, options=SMALL)
    assert found.resumed_bytes == 5 * 64 * 1024
    assert path.read_bytes() == DATA


def test_an_upload_states_its_hash_and_comes_back(pool, server, tmp_path, path):
    source = tmp_path / "source"
    source.write_bytes(DATA)
    info = upload(pool, "up/a", source, endpoint="west")
    assert (info.sha256, info.size_bytes, info.endpoint) == (SHA256, len(DATA), "west")
    assert server.get("west-models", "up/a") == DATA
    assert "up/a" not in server.keys("east-models")
    assert download(pool, "up/a", path, options=SMALL).is_proven


def test_a_large_upload_goes_in_parts(pool, server, east):
    data = DATA * 11
    info = upload(pool, "up/b", data, endpoint="east", options=TransferOptions(5 * 2**20))
    assert info.etag.endswith('-3"')
    assert server.get("east-models", "up/b") == data


def test_an_upload_that_fails_goes_to_another_endpoint_and_leaves_no_parts(
    pool, server, east, west
):
    data = DATA * 11
    for proxy in (east, west):
        proxy.fail(S3Fault(status=500), path="partNumber=2", method="PUT")
    options = TransferOptions(5 * 2**20, parallelism=2)
    info = upload(pool, "up/c", data, options=options)
    assert server.get(f"{info.endpoint}-models", "up/c") == data
    assert server.unfinished_uploads("east-models") == []
    assert server.unfinished_uploads("west-models") == []


def test_an_upload_that_fails_everywhere_leaves_nothing(pool, server, east, west):
    for proxy in (east, west):
        proxy.fail(S3Fault(status=500), times=99, path="partNumber=2", method="PUT")
    with pytest.raises(ConnectivityError):
        upload(pool, "up/d", DATA * 11, options=TransferOptions(5 * 2**20))
    for bucket in ("east-models", "west-models"):
        assert server.unfinished_uploads(bucket) == []
        assert "up/d" not in server.keys(bucket)


def test_an_object_is_copied_between_endpoints(pool, server):
    upload(pool, "copy/a", DATA, endpoint="east")
    info = copy(pool, "copy/a", source="east", target="west")
    assert (info.sha256, info.endpoint) == (SHA256, "west")
    assert server.get("west-models", "copy/a") == DATA


def test_a_copy_of_wrong_bytes_never_begins(pool, server, east):
    upload(pool, "copy/b", DATA, endpoint="east")
    east.fail(S3Fault(flip_at=9), times=9, path="copy/b", method="GET")
    with pytest.raises(IntegrityError, match="not the one that was meant"):
        copy(pool, "copy/b", source="east", target="west")
    assert "copy/b" not in server.keys("west-models")


def test_a_copy_inside_an_endpoint_moves_no_bytes(pool, server, east):
    upload(pool, "copy/c", DATA, endpoint="east")
    before = sum(row.read_bytes for row in pool.statistics())
    copy(pool, "copy/c", source="east", target="east", target_key="copy/d")
    assert server.get("east-models", "copy/d") == DATA
    assert sum(row.read_bytes for row in pool.statistics()) == before
