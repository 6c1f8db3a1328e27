"""Fetches in the ledger, and what they sum up to."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ipfs_accelerate.content.insight import record_transfer, summary, transfer_record
from ipfs_accelerate.content.sources import SourceKind
from ipfs_accelerate.errors import MixedOriginsError
from ipfs_accelerate.telemetry import Origin


def test_a_fetch_becomes_a_row_and_one_per_source(ledger, fetch_report):
    transfer_id = record_transfer(ledger, fetch_report(), node="http://b")
    (row,) = ledger.query("SELECT * FROM content_transfers").to_dicts()
    assert (row["transfer_id"], row["node"], row["origin"]) == (transfer_id, "http://b", "measured")
    assert (row["total_bytes"], row["local_bytes"], row["received_bytes"]) == (1000, 200, 800)
    assert row["egress_saved_bytes"] == 800  # 200 were here, 600 came from a peer
    assert row["elapsed_ns"] == 10**9
    sources = ledger.query(
        "SELECT source, is_origin, is_banned, evidence, latency_ns, reason"
        " FROM content_source_transfers ORDER BY source"
    ).to_dicts()
    assert [s["source"] for s in sources] == ["hub:org/name@1", "peer:http://a", "peer:http://liar"]
    assert [s["is_origin"] for s in sources] == [True, False, False]
    liar = sources[2]
    assert liar["is_banned"]
    assert json.loads(str(liar["evidence"]))["sha256"] == "0" * 64
    assert (liar["latency_ns"], liar["reason"]) == (None, "sent wrong bytes")


def test_a_cancelled_fetch_is_not_complete(ledger, fetch_report):
    record_transfer(ledger, fetch_report(is_cancelled=True))
    (row,) = ledger.query("SELECT is_complete FROM content_transfers").to_dicts()
    assert row["is_complete"] is False


def test_the_caller_may_say_who_is_an_origin(fetch_report, source):
    report = fetch_report({"gateway:http://team": source(SourceKind.GATEWAY, 500)}, local_bytes=0)
    assert transfer_record(report).egress_saved_bytes == 0
    assert transfer_record(report, origins=[]).egress_saved_bytes == 500


def test_a_summary_adds_up(ledger, fetch_report):
    for node in ("http://b", "http://c"):
        record_transfer(ledger, fetch_report(), node=node)
    found = summary(ledger)
    assert (found.transfers, found.needed_bytes, found.egress_saved_bytes) == (2, 2000, 1600)
    assert found.hit_rate == pytest.approx(0.8)
    kinds = {kind.kind: kind for kind in found.kinds}
    assert kinds["peer"].received_bytes == 1200
    assert kinds["peer"].bans == 2
    assert kinds["hub"].latency_p50_ns == 9000
    assert {(e.source, e.node): e.received_bytes for e in found.edges}[
        "peer:http://a", "http://c"
    ] == 600
    assert json.loads(json.dumps(found.to_dict()))["days"][0]["transfers"] == 2


def test_an_empty_ledger_has_no_hit_rate(ledger):
    found = summary(ledger)
    assert (found.transfers, found.hit_rate, found.edges) == (0, None, ())


def test_edges_may_be_of_one_content_only(ledger, fetch_report):
    record_transfer(ledger, fetch_report())
    assert summary(ledger, root="another").edges == ()
    assert summary(ledger, root=str(fetch_report().root)).edges


def test_simulated_fetches_never_stand_beside_measured_ones(ledger, fetch_report):
    measured = transfer_record(fetch_report())
    simulated = replace(
        measured, transfer_id="s", origin=Origin.SIMULATED, origin_reason="a model of a network"
    )
    assert ledger.record_transfers([measured, simulated, simulated]) == 2
    assert summary(ledger).transfers == 1
    assert summary(ledger, origin=Origin.SIMULATED).reason == "a model of a network"
    for table in ("content_transfers", "content_edges", "content_days", "content_kinds"):
        with pytest.raises(MixedOriginsError):
            ledger.query(f"SELECT sum(received_bytes) FROM {table}")
    with pytest.raises(MixedOriginsError):
        ledger.query("SELECT sum(received_bytes) FROM content_source_transfers")


def test_what_is_not_measured_needs_a_reason(fetch_report):
    measured = transfer_record(fetch_report())
    with pytest.raises(ValueError, match="needs a reason"):
        replace(measured, origin=Origin.PREDICTED)


def test_a_fetch_is_stored_once(ledger, fetch_report):
    record = transfer_record(fetch_report())
    assert ledger.record_transfers([record]) == 1
    assert ledger.record_transfers([replace(record, created_at=datetime.now(UTC))]) == 0
    assert summary(ledger).transfers == 1
