"""A ledger, and reports of fetches."""

import pytest

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.exchange import FetchReport
from ipfs_accelerate.content.exchange.report import Evidence, SourceReport
from ipfs_accelerate.content.sources import SourceKind
from ipfs_accelerate.store import Ledger

ROOT = Cid.of(b"root")


def _source(kind, received_bytes, **changes):
    values = {
        "kind": kind,
        "received_bytes": received_bytes,
        "received_blocks": received_bytes // 10,
        "duplicate_bytes": 0,
        "requests": 4,
        "failures": 0,
        "latency_ns": 1000,
        "rate_bytes_per_s": 5e6,
        "evidence": None,
        "reason": "",
        **changes,
    }
    return SourceReport(**values)


def _report(sources=None, **changes):
    found = sources if sources is not None else {
        "peer:http://a": _source(SourceKind.PEER, 600),
        "hub:org/name@1": _source(SourceKind.HUB, 200, latency_ns=9000),
        "peer:http://liar": _source(
            SourceKind.PEER, 0, latency_ns=None, rate_bytes_per_s=None, failures=1,
            evidence=Evidence(ROOT, "0" * 64, 10), reason="sent wrong bytes"),
    }  # fmt: skip
    values = {
        "root": ROOT,
        "is_cancelled": False,
        "elapsed_ns": 10**9,
        "total_bytes": 1000,
        "local_bytes": 200,
        "received_bytes": sum(s.received_bytes for s in found.values()),
        "received_blocks": 80,
        "duplicate_bytes": 5,
        "files": 2,
        "moved_blocks": 1,
        "raced_blocks": 2,
        "sources": found,
        **changes,
    }
    return FetchReport(**values)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.duckdb")


@pytest.fixture
def source():
    return _source


@pytest.fixture
def fetch_report():
    return _report
