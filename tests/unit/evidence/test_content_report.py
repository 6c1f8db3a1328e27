"""The report on moved content."""

import numpy as np
import pytest

from ipfs_accelerate.content.insight import Network, compare, recommend, record_run, summary
from ipfs_accelerate.evidence.figures import (
    THEMES,
    bytes_text,
    matrix_figure,
    share_figure,
    topology_figure,
)
from ipfs_accelerate.evidence.figures.topology import MAX_EDGES
from ipfs_accelerate.evidence.report.content import render
from ipfs_accelerate.store import Ledger
from ipfs_accelerate.telemetry import Origin

MIB = 2**20


def simulated(tmp_path, network, size_bytes):
    runs = compare(network, size_bytes, generator=np.random.default_rng(0))
    ledger = Ledger(tmp_path / "ledger.duckdb")
    record_run(ledger, runs[0])
    return runs, summary(ledger, origin=Origin.SIMULATED)


@pytest.fixture
def team(tmp_path):
    return simulated(tmp_path, Network(4, 12.5e6, 12.5e6, 12.5e6, lying=0.25), 8 * MIB)


def test_the_page_says_what_was_spared_and_by_whom(team):
    runs, found = team
    network = Network(2, 12.5e6, 12.5e6, 12.5e6)
    advice = recommend(network, 8 * MIB, generator=np.random.default_rng(0))
    page = render(found, simulated=runs, recommendation=advice)
    assert "were spared" in page
    assert "1 sender was banned" in page
    assert "not measured" in page
    for text in ("owned", "greedy", "alone", "Predicted: what suits this network"):
        assert text in page
    assert page.count("Plotly.newPlot") == 6  # three pictures, light and dark
    assert 'src="http' not in page


def test_an_empty_ledger_has_a_page_without_pictures(tmp_path):
    page = render(summary(Ledger(tmp_path / "ledger.duckdb")))
    assert "Nothing has been fetched yet." in page
    assert "Plotly" not in page


def test_names_of_senders_cannot_inject_markup(team):
    from dataclasses import replace

    _, found = team
    bad = replace(found.edges[0], source="peer:http://<script>alert(1)</script>")
    page = render(replace(found, edges=(bad, *found.edges[1:])))
    assert "<script>alert(1)" not in page


@pytest.mark.parametrize("theme", THEMES)
def test_every_byte_is_in_the_matrix_and_every_node_in_the_picture(team, theme):
    _, found = team
    matrix = matrix_figure(found, theme=theme)
    total = sum(value for row in matrix.data[0].z for value in row if value)
    assert total * 1e6 == pytest.approx(sum(edge.received_bytes for edge in found.edges))
    shares = share_figure(found, theme=theme)
    assert sum(sum(bar.x) for bar in shares.data) * 1e6 == pytest.approx(found.needed_bytes)
    labels = " ".join(a.text for a in topology_figure(found, theme=theme).layout.annotations)
    for name in ("node-00", "node-01", "node-02", "node-03", "origin", "banned"):
        assert name in labels


def test_a_crowded_picture_says_what_it_leaves_out(tmp_path):
    _, found = simulated(tmp_path, Network(9, 12.5e6, 12.5e6, 12.5e6), 16 * MIB)
    assert len(found.edges) > MAX_EDGES
    figure = topology_figure(found)
    assert "in the matrix only" in figure.layout.title.text
    drawn = sum(len(t.text or ()) for t in figure.data if t.marker.symbol == "arrow")
    assert f"{len(found.edges) - drawn} further" in figure.layout.title.text


def test_bytes_are_written_in_decimal_units():
    assert [bytes_text(v) for v in (0, 999, 1500, 2e6, 3.21e9)] == [
        "0 B", "999 B", "1.5 kB", "2 MB", "3.21 GB",
    ]  # fmt: skip
