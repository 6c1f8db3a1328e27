"""Figures as files, drawn by the installed Chromium, and through the command line."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import plotly.graph_objects as go
import pytest

from ipfs_accelerate.evidence.figures.export import write_figure
from ipfs_accelerate.evidence.figures.theme import finish, theme_named

pytestmark = pytest.mark.skipif(
    find_spec("kaleido") is None or not (shutil.which("chromium") or shutil.which("google-chrome")),
    reason="pictures need kaleido and a Chromium",
)
MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<svg", "pdf": b"%PDF-"}


@pytest.mark.parametrize("ending", MAGIC)
def test_a_picture_has_its_format_and_size(tmp_path, ending):
    figure = go.Figure(go.Bar(x=[1, 2, 3], y=[2, 3, 1]))
    finish(figure, "Three bars", theme_named("light"), height=300)
    path = tmp_path / f"bars.{ending}"
    write_figure(figure, path, width=500)
    content = path.read_bytes()
    assert content.startswith(MAGIC[ending])
    assert len(content) > 3000
    if ending == "png":
        assert [int.from_bytes(content[n : n + 4]) for n in (16, 20)] == [1000, 600]
    if ending == "svg":
        assert b"Three bars" in content
