from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from ipfs_accelerate.bench.case import BenchCase
from ipfs_accelerate.errors import InputError, UnavailableError, UnknownNameError
from ipfs_accelerate.evidence.coverage import Cell, State, Verdict, Wanted
from ipfs_accelerate.evidence.figures import THEMES, to_json
from ipfs_accelerate.evidence.figures._clusters import cluster
from ipfs_accelerate.evidence.figures._pca import principal_components
from ipfs_accelerate.evidence.figures.chart import Selection
from ipfs_accelerate.evidence.figures.coverage import coverage_figure
from ipfs_accelerate.evidence.figures.export import write_figure
from ipfs_accelerate.evidence.figures.pareto import (
    Candidate,
    Candidates,
    Standing,
    pareto_figure,
    standings,
)
from ipfs_accelerate.evidence.figures.registry import chart_named, charts
from ipfs_accelerate.evidence.regressions import find_regressions, read_history, store_findings
from ipfs_accelerate.store import Ledger
from ipfs_accelerate.telemetry import Origin

MOVED = {"topology", "senders", "shares"}
# Kind → types of traces, in order, once each: the structure that renderers rely on.
SNAPSHOT = {
    "coverage": ["heatmap", "scatter", "bar"],
    "distribution": ["violin", "scatter"], "family": ["heatmap", "bar", "scatter"],
    "history": ["scatter"], "intervals": ["scatter"], "latency": ["bar", "scatter"],
    "memory": ["scatter"], "pareto": ["scatter"], "peak-memory": ["bar"],
    "roofline": ["scatter"], "samples": ["box"], "sankey": ["sankey"], "scatter": ["scatter3d"],
    "senders": ["heatmap", "bar"], "shares": ["bar"], "startup": ["bar"], "topology": ["scatter"],
    "treemap": ["treemap", "scatter"],
}  # fmt: skip


def selection_of(kind: str, **changes: object) -> Selection:
    origin = Origin.SIMULATED if kind in MOVED else Origin.MEASURED
    return Selection(**{"origin": origin, **changes})


def drawn(ledger: Ledger, kind: str, theme: str = "light", **changes: object):
    return chart_named(kind).of(ledger, selection_of(kind, **changes), theme=theme)


def texts(figure) -> str:
    return json.dumps(to_json(figure), ensure_ascii=False)


@pytest.mark.parametrize("kind", SNAPSHOT)
def test_every_chart_has_its_structure_a_title_axes_and_a_sentence(filled, kind):
    chart = chart_named(kind)
    data = chart.read(filled, selection_of(kind))
    for theme, look in THEMES.items():
        parsed = to_json(chart.draw(data, theme=theme))
        assert list(dict.fromkeys(trace["type"] for trace in parsed["data"])) == SNAPSHOT[kind]
        assert parsed["layout"]["title"]["text"]
        assert parsed["layout"]["paper_bgcolor"] == look.paper
        assert parsed["layout"]["height"] < 2000
    finding = chart.find(data)
    assert finding.sentence.endswith(".")
    assert finding.rows or kind == "coverage"  # none of these models is on this machine


def test_the_registry_knows_every_chart_of_the_folder_by_the_name_of_its_module():
    assert list(charts()) == sorted(SNAPSHOT)
    for chart in charts().values():
        assert chart_named(chart.kind) is chart
    with pytest.raises(UnknownNameError):
        chart_named("intervalls")
    with pytest.raises(UnknownNameError):
        chart_named("theme")  # a module, but no chart


def test_a_chart_loads_neither_other_charts_nor_what_measures():
    code = """
import sys
from ipfs_accelerate.evidence.figures.registry import chart_named
chart_named("intervals")
heavy = {"ipfs_accelerate.bench.profiling", "ipfs_accelerate.gateway", "plotly", "duckdb",
         "ipfs_accelerate.evidence.figures.sankey"}
print(sorted(heavy & set(sys.modules)))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", SNAPSHOT)
def test_an_empty_ledger_is_a_clear_error(empty, kind):
    with pytest.raises(InputError) as caught:
        drawn(empty, kind)
    assert caught.value.hint


def test_missing_cells_are_hatched_and_say_why(filled):
    figure = drawn(filled, "family").figure
    bars = [t for t in figure.data if t.type == "bar"]
    assert [bar.marker.pattern.shape for bar in bars] == ["/"]
    reasons = [a.text for a in figure.layout.annotations]
    for reason in ("timeout", "unavailable", "error", "not tried", "baseline"):
        assert reason in reasons
    assert len(bars[0].x) == 5
    assert any("average linkage" in text and "adjusted" in text for text in reasons)


def test_equal_targets_get_no_star_and_clear_ones_do(filled):
    cells = chart_named("family").read(filled, Selection()).cells
    assert cells["bert-base · feature-extraction/b1", "openvino/cpu/int8"].stars == "***"
    assert all(
        cell.stars == "" for (_, column), cell in cells.items() if column == "torch/cpu/fp32"
    )


def test_values_that_were_not_measured_are_marked(filled):
    pareto = drawn(filled, "pareto", origin=Origin.SIMULATED)
    assert "simulated, not measured" in pareto.figure.layout.title.text
    assert "simulated" in pareto.finding.sentence
    symbols = {t.marker.symbol for t in pareto.figure.data if t.mode == "markers+text"}
    assert symbols == {"square"}
    family = drawn(filled, "family", origin=Origin.SIMULATED).figure
    assert "simulated" in family.layout.title.text
    assert "." in [t.marker.pattern.shape for t in family.data if t.type == "bar"]
    topology, senders = drawn(filled, "topology"), drawn(filled, "senders")
    assert "simulated" in topology.figure.layout.title.text
    nodes = topology.figure.data[-1].marker
    assert nodes.color == THEMES["light"].paper
    assert [t.marker.pattern.shape for t in senders.figure.data if t.type == "bar"] == ["."]
    assert "simulated" in senders.finding.sentence
    with pytest.raises(InputError, match="never ranked"):
        drawn(filled, "intervals", origin=Origin.SIMULATED)


def candidate(name: str, ms: float, half: float, mib: float | None) -> Candidate:
    return Candidate(name, ms, ms - half, ms + half, mib, None, None, name)


def test_a_target_is_beaten_only_when_that_is_shown():
    a, b = candidate("a/cpu/fp32", 10, 1, 100), candidate("b/cpu/fp32", 10.5, 1, 100)
    c, d = candidate("c/cpu/fp32", 20, 1, 100), candidate("d/cpu/fp32", 20, 1, 50)
    found = standings([a, b, c, d], lambda m: m.memory_mib)
    assert found == {
        a.target: Standing.FRONT,
        b.target: Standing.TIED,  # slower by its median, which is not shown
        c.target: Standing.BEATEN,  # as dear as a, and shown to be slower
        d.target: Standing.FRONT,  # the cheapest
    }
    assert standings([a, b], lambda m: m.energy_j) == {}


def test_a_lower_cost_beats_nobody_whose_time_is_tied():
    cheap, dear = candidate("cheap", 10, 2, 50), candidate("dear", 10.5, 2, 500)
    clear = candidate("clear", 30, 2, 500)
    found = standings([cheap, dear, clear], lambda m: m.memory_mib)
    assert list(found.values()) == [Standing.FRONT, Standing.TIED, Standing.BEATEN]


def test_an_axis_without_data_says_so_and_energy_shows_once_it_is_measured(filled):
    assert "no measured energy" in texts(drawn(filled, "pareto").figure)
    a = Candidate("a/cpu/fp32", 1, 0.9, 1.1, 10, 0.0, 0.02, "r")
    text = texts(pareto_figure(Candidates("m", Origin.MEASURED, (a,))))
    assert "no data" not in text


def wanted(target: str, verdict: Verdict) -> Cell:
    return Cell(Wanted(BenchCase("/m/bert", "t", target, 1), "v1", {}), verdict)


def test_coverage_marks_each_state_and_tells_its_reasons():
    reason = "driver 1 → 2 & <b>" + 30 * " changed"
    cells = [
        wanted(f"torch/cpu:{n}/fp32", Verdict(state, (reason,))) for n, state in enumerate(State)
    ]
    figure = coverage_figure(cells)
    scatters = [trace for trace in figure.data if trace.type == "scatter"]
    marks = [trace.text[0] for trace in scatters if trace.mode == "text"]
    assert len(set(marks)) == len(marks) == len(State)
    legend = [trace.name for trace in scatters if trace.name]
    assert [name.split()[1] for name in legend] == list(State)
    hover = figure.data[0].customdata[0][2]
    assert "torch/cpu:2/fp32: stale" in hover
    assert "driver 1 → 2 &amp; &lt;b&gt;" in hover
    assert [t.marker.pattern.shape for t in figure.data if t.type == "bar"] == ["/"]


def test_a_history_grows_with_its_slider_and_marks_what_was_found(filled, tmp_path):
    ledger = Ledger(filled.path)
    store_findings(ledger, find_regressions(read_history(ledger)).findings)
    made = drawn(ledger, "history")
    figure = made.figure
    assert len(figure.frames) == len(figure.layout.sliders[0].steps) == 25
    sizes = [len(frame.data[1].x) for frame in figure.frames]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 25
    assert any("+" in str(t) for t in figure.data[-1].text)
    assert "change" in made.finding.sentence


def test_the_flows_of_a_sankey_add_up_to_the_whole(filled):
    (trace,) = drawn(filled, "sankey").figure.data
    out = sum(v for s, v in zip(trace.link.source, trace.link.value, strict=True) if s == 0)
    whole = chart_named("sankey").read(filled, Selection()).whole_ns / 1e6
    assert out == pytest.approx(whole)


def test_components_are_orthogonal_and_explain_all_there_is():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3))
    found = principal_components(np.c_[table, np.ones(40)], 3)
    assert found.explained.sum() == pytest.approx(1)
    assert found.explained[0] >= found.explained[1] >= found.explained[2]
    product = found.scores.T @ found.scores
    assert np.allclose(product, np.diag(np.diag(product)))
    for bad in ([[1.0, 2.0]], [[1.0, np.nan], [2.0, 1.0]], np.ones((9, 4))):
        with pytest.raises(InputError):
            principal_components(bad, 2)


def test_the_projection_is_named_on_the_axes_and_umap_is_refused_without_its_package(filled):
    scene = drawn(filled, "scatter").figure.layout.scene
    shares = [axis.title.text.split()[1] for axis in (scene.xaxis, scene.yaxis, scene.zaxis)]
    assert all(share.rstrip(":").endswith("%") for share in shares)
    with pytest.raises(UnavailableError, match="umap-learn"):
        drawn(filled, "scatter", projection="umap")


def test_rows_without_a_shared_column_are_not_clustered():
    apart = np.array([[1.0, np.nan], [np.nan, 1.0], [1.0, 1.0]])
    assert "no cluster tree" in cluster(apart).method
    near = cluster(np.array([[0.0, 0.1], [5.0, 5.0], [0.1, 0.0], [5.1, 5.0]]))
    assert sorted(map(sorted, (near.order[:2], near.order[2:]))) == [[0, 2], [1, 3]]


def test_html_opens_offline_and_other_endings_are_refused(filled, tmp_path):
    made = drawn(filled, "history")
    write_figure(made.figure, tmp_path / "h.html", alt='"<script>" & co')
    page = (tmp_path / "h.html").read_text()
    tail = page.partition("</head>")[2]
    assert "src=" not in tail.replace("_src=", "")
    assert "<link" not in page[:2000]
    assert "&lt;script&gt;" in tail
    assert "addFrames" in tail
    with pytest.raises(InputError, match="jpeg"):
        write_figure(made.figure, tmp_path / "h.jpeg")


# CIE76 distance that is just noticeable: Mahy, van Eycken & Oosterlinck (1994).
JUST_NOTICEABLE = 2.3
# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB.
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}  # fmt: skip


def lab(colour: str, matrix: list[list[float]]) -> np.ndarray:
    rgb = np.array([int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(matrix) @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("theme", THEMES)
def test_colours_are_told_apart_whatever_one_sees(theme, deficiency):
    look, matrix = THEMES[theme], DEFICIENCIES[deficiency]
    colours = [lab(c, matrix) for c in look.categories]
    near = [
        (float(np.linalg.norm(a - b)), look.categories[i], look.categories[j])
        for i, a in enumerate(colours)
        for j, b in enumerate(colours)
        if i < j
    ]
    assert min(near)[0] > 3 * JUST_NOTICEABLE, min(near)
