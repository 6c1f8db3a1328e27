from __future__ import annotations

import csv
import io

import pytest

from ipfs_accelerate.evidence import summarise
from ipfs_accelerate.evidence.report import html, markdown, table
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import Origin


@pytest.fixture
def summary(row, run):
    records = [
        row("torch/cpu/fp32", 20.0),
        row("onnxruntime/cpu/int8", 8.0, latency_low_ns=None, latency_high_ns=None),
        row("torch/cuda:0/fp16", 0.1, origin=Origin.SIMULATED, origin_reason="data sheet"),
        row("torch/cpu/bf16", 1.0, status=CaseStatus.TIMEOUT, error={"message": "over <5 s>"}),
    ]
    return summarise(run, records, unavailable=run.metadata["unavailable"])


def test_markdown_says_the_answer_the_ranking_and_what_was_not_possible(summary) -> None:
    text = markdown.render(summary)
    assert "use onnxruntime/cpu/int8" in text
    assert "| 1 | onnxruntime/cpu/int8 |" in text
    assert "never ranked" in text
    assert "no NVIDIA driver \\| &lt;none>" in text
    assert "over &lt;5 s>" in text


def test_csv_has_a_row_for_every_origin_and_status(summary) -> None:
    rows = list(csv.DictReader(io.StringIO(table.render(summary))))
    assert [(r["target"], r["origin"], r["status"]) for r in rows] == [
        ("onnxruntime/cpu/int8", "measured", "ok"),
        ("torch/cpu/fp32", "measured", "ok"),
        ("torch/cuda:0/fp16", "simulated", "ok"),
        ("torch/cpu/bf16", "measured", "timeout"),
    ]
    assert rows[0]["latency_low_ns"] == ""
    assert list(rows[0]) == list(table.FIELDS)


def test_html_is_self_contained_and_escapes_what_models_are_called(summary) -> None:
    page = html.render(summary)
    head, _, body = page.partition("<body>")
    assert "model &lt;b&gt;&amp;" in body
    assert "<script src=" not in page
    assert "<link" not in page
    assert "simulated" in body
    assert "over &lt;5 s&gt;" in body
    assert head.count("<script>") == 1


def test_html_of_a_run_without_a_result_says_so(run) -> None:
    assert "Nothing was measured" in html.render(summarise(run, []))
