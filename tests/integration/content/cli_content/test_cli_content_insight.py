"""``accel content report|predict``: fetches are noted, and what is not measured says so."""

from __future__ import annotations

import logging
from pathlib import Path

NETWORK = ("--nodes", "3", "--size", "8MB", "--link", "4MB")


def test_a_fetch_is_in_the_report_with_its_sender(machine, other, model: Path, tmp_path) -> None:
    cid = machine.content("add", model).first
    with machine.serving() as url:
        other.environment = {"CONTENT_GATEWAYS": url}
        assert other.content("get", cid).code == 0
        assert other.content("get", cid).code == 0
    found = other.content("report", "--json", "--html", tmp_path / "page" / "r.html").json
    [edge] = found["edges"]
    assert (found["origin"], found["transfers"]) == ("measured", 2)
    assert edge["source"] == f"gateway:{url}"
    assert edge["is_origin"]
    assert edge["received_bytes"] > 2_400_000
    assert 0.4 < found["hit_rate"] < 0.6, "the second fetch needed nothing from the gateway"
    assert url.removeprefix("http://") in (tmp_path / "page" / "r.html").read_text("utf-8")
    assert url in other.content("report").out
    assert other.content("report", "--root", cid, "--json").json["edges"] == [edge]


def test_a_report_without_fetches_says_how_to_get_one(machine) -> None:
    found = machine.content("report")
    assert found.code == 3
    assert "accel content get" in found.err


def test_a_ledger_that_cannot_be_written_does_not_stop_a_fetch(
    machine, other, model: Path, caplog
) -> None:
    cid = machine.content("add", model).first
    other.home.mkdir()
    (other.home / "ledger.duckdb").write_bytes(b"no ledger at all" * 1000)
    with machine.serving() as url, caplog.at_level(logging.WARNING):
        other.environment = {"CONTENT_GATEWAYS": url}
        assert other.content("get", cid).code == 0
    assert "is not in the ledger" in caplog.text


def test_a_prediction_says_that_it_is_one(machine, tmp_path) -> None:
    found = machine.content("predict", *NETWORK, "--html", tmp_path / "p.html", "--json").json
    assert {row["origin"] for row in found["simulated"]} == {"simulated"}
    assert found["recommendation"]["origin"] == "predicted"
    shares = {row["strategy"]: row["origin_share"] for row in found["simulated"]}
    assert shares["owned"] < shares["alone"] == 3.0
    assert "not measured" in (tmp_path / "p.html").read_text("utf-8")
    assert not (machine.home / "ledger.duckdb").exists()
    again = machine.content("predict", *NETWORK, "--json").json
    assert again == found


def test_a_recommendation_says_which_profile_it_cannot_judge(machine) -> None:
    shown = machine.content("predict", "--nodes", "1", "--size", "1MB", "--link", "12MB")
    assert shown.code == 0
    assert "dedup-v1-2026 is not compared" in " ".join(shown.err.split())


def test_a_network_that_cannot_be_is_refused(machine) -> None:
    assert machine.content("predict", "--size", "8MB", "--link", "0").code == 2
    assert machine.content("predict", "--size", "8", "--link", "fast").code == 2
