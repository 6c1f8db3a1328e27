"""Figures as files, drawn by the installed Chromium, and through the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from importlib.util import find_spec

import numpy as np
import plotly.graph_objects as go
import psutil
import pytest

from ipfs_accelerate.errors import UnavailableError
from ipfs_accelerate.evidence.figures._pictures import Pictures
from ipfs_accelerate.evidence.figures.export import write_figure
from ipfs_accelerate.evidence.figures.theme import finish, theme_named
from ipfs_accelerate.store import (
    CaseStatus,
    HardwareRecord,
    Ledger,
    MeasurementRecord,
    ModelRecord,
    RunRecord,
)
from ipfs_accelerate.telemetry import Origin

pytestmark = pytest.mark.skipif(
    find_spec("kaleido") is None or not (shutil.which("chromium") or shutil.which("google-chrome")),
    reason="pictures need kaleido and a Chromium",
)
MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<svg", "pdf": b"%PDF-"}


def bars() -> go.Figure:
    return finish(go.Figure(go.Bar(x=[1, 2, 3], y=[2, 3, 1])), "Three bars", theme_named("light"),
                  height=300)  # fmt: skip


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def test_one_chromium_draws_all_pictures_and_ends_with_the_block():
    before, figure = children(), bars()
    with Pictures() as pictures:
        first = pictures.draw(figure, "png", width=500)
        browsers = children() - before
        second = pictures.draw(figure, "png", width=500, has_title=False)
        assert children() - before <= browsers
    assert browsers
    assert not psutil.wait_procs(browsers, timeout=20)[1]
    assert first != second
    assert figure.layout.title.text == "Three bars"
    for content in (first, second):
        assert content.startswith(MAGIC["png"])
        assert [int.from_bytes(content[n : n + 4]) for n in (16, 20)] == [1000, 600]


@pytest.mark.slow
@pytest.mark.parametrize("ending", MAGIC)
def test_a_picture_has_its_format(tmp_path, ending):
    path = tmp_path / f"bars.{ending}"
    write_figure(bars(), path, width=500)
    content = path.read_bytes()
    assert content.startswith(MAGIC[ending])
    assert len(content) > 3000
    if ending == "svg":
        assert b"Three bars" in content


@pytest.mark.slow
def test_no_chromium_outlives_a_failure_and_the_next_picture_gets_a_new_one():
    before, browsers = children(), set()

    def interrupted() -> None:
        with Pictures() as pictures:
            pictures.draw(bars(), "png")
            browsers.update(children() - before)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with Pictures() as pictures:
        with pytest.raises(UnavailableError, match="no Chromium drew"):
            pictures.draw(bars(), "no such format")
        assert pictures.draw(bars(), "png").startswith(MAGIC["png"])
        browsers |= children() - before
    assert not psutil.wait_procs(browsers, timeout=20)[1]


def test_a_program_that_is_no_chromium_is_told_and_leaves_nothing(monkeypatch):
    before = children()
    monkeypatch.setenv("BROWSER_PATH", shutil.which("false") or "/bin/false")
    with pytest.raises(UnavailableError, match="no Chromium drew"), Pictures() as pictures:
        pictures.draw(bars(), "png")
    assert not psutil.wait_procs(children() - before, timeout=20)[1]


def accel(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ipfs_accelerate", "evidence", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


@pytest.fixture
def small(tmp_path):
    ledger = Ledger(tmp_path / "ledger.duckdb")
    start = datetime(2026, 1, 2, tzinfo=UTC)
    ledger.record_run(RunRecord("a" * 32, "bench run", "performance", start))
    model = ModelRecord("tiny", "v1", "bert", "text", "hub")
    device = HardwareRecord("cpu", "cpu", "Test CPU", "Linux", "6.1", "host")
    rng = np.random.default_rng(0)
    ledger.record_measurements(
        MeasurementRecord(
            run_id="a" * 32, model=model, hardware=device, target=target, test_case="t/b1",
            task="t", batch_size=1, shapes={}, precision="fp32", origin=Origin.MEASURED,
            status=CaseStatus.OK, created_at=start, latency_p50_ns=ms * 10**6,
            samples_ns=tuple(int(v) for v in rng.normal(ms * 1e6, 1e4, 50)),
            peak_memory_bytes=2**28, parity={"ok": True, "cosine": 1.0},
        )
        for target, ms in (("torch/cpu/fp32", 9), ("onnxruntime/cpu/fp32", 5))
    )  # fmt: skip
    return ledger.path


@pytest.mark.slow
def test_the_command_writes_a_page_and_says_what_it_supports(small, tmp_path):
    page = tmp_path / "out" / "pareto.html"
    done = accel("figure", "pareto", "-o", str(page), "--db", str(small), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "ipfs-accelerate/evidence-figure/1"
    assert len(found["rows"]) == 2
    assert page.read_text().startswith("<!doctype html>")
    assert accel("figure", "pie", "-o", "x.html", "--db", str(small)).returncode == 2
    assert accel("figure", "sankey", "-o", "x.html", "--db", str(small)).returncode == 2


@pytest.mark.slow
def test_slides_carry_a_table_pictures_alternative_text_and_their_rows(small, tmp_path):
    path = tmp_path / "deck.pptx"
    done = accel("slides", "-o", str(path), "--figure", "pareto", "--figure", "sankey",
                 "--db", str(small))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "left out sankey" in done.stderr
    with zipfile.ZipFile(path) as deck:
        names = deck.namelist()
        slides = "".join(deck.read(n).decode() for n in names if n.startswith("ppt/slides/slide"))
        assert any(n.startswith("ppt/media/") and n.endswith(".png") for n in names)
        assert any(n.startswith("ppt/notesSlides/") for n in names)
    assert 'descr="pareto: tiny' in slides
    assert "Rests on" in slides
    assert "speed-up" in slides
