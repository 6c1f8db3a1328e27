import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.scanner import (
    Reason,
    add_banner,
    find_reports,
    scan_file,
    write_sidecar,
)
from ipfs_accelerate.store import HardwareRecord, Ledger, MeasurementRecord, ModelRecord, RunRecord
from ipfs_accelerate.store.records import AvailabilityRecord, CaseStatus
from ipfs_accelerate.telemetry import Origin

BASE = {"bert": 10.123, "t5": 15.377, "vit": 22.91, "whisper": 41.037, "llama": 88.3}
FACTORS = {"cpu": 1.0, "cuda": 0.2, "webgpu": 0.55}
ENVIRONMENT = {"versions": {"onnxruntime": "1.31"}, "iterations": 100}


def rows(noise=0.0, **more):
    """A table of base times factor, with or without the noise of a machine."""
    rng = np.random.default_rng(0)
    return [
        {
            "model_name": model, "hardware_type": hardware, "batch_size": 1,
            "average_latency_ms": base * factor * float(np.exp(rng.normal(0, noise))), **more,
        }
        for hardware, factor in FACTORS.items()
        for model, base in BASE.items()
    ]  # fmt: skip


def table(values):
    head = "| Model | CPU latency (ms) | CUDA latency (ms) |\n|---|---|---|\n"
    return head + "".join(f"| {name} | {a:.3f} | {b:.4f} |\n" for name, a, b in values)


FORMULA = table((model, base, base * 0.2) for model, base in BASE.items())


@pytest.fixture
def scanned(tmp_path):
    def scan(name, content, **options):
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        path.write_text(text)
        return scan_file(path, **options)

    return scan


def signs(report):
    return {reason.sign for reason in report.reasons}


def test_a_table_of_factors_is_suspect_with_its_line(scanned):
    report = scanned("r.json", {"results": rows(**ENVIRONMENT)})
    assert report.verdict == "suspect"
    assert "proportional" in signs(report)
    assert report.reasons[0].text == "5 values of cpu are those of cuda times 5"
    assert report.reasons[0].line == 7


def test_the_same_table_with_the_noise_of_a_machine_is_not(scanned):
    assert scanned("r.json", {"results": rows(0.01, **ENVIRONMENT)}).verdict == "looks measured"


@pytest.mark.parametrize(
    "mark",
    [
        {"is_simulated": True}, {"simulated": 1}, {"is_simulated": "true"},
        {"simulation_reason": "no GPU"}, {"origin": "predicted"}, {"data_source": "simulation"},
        {"is_real_hardware": False},
    ],
)  # fmt: skip
def test_what_says_so_itself_is_marked(scanned, mark):
    assert scanned("r.json", {"results": rows(**mark)}).verdict == "marked"
    assert scanned("s.json", {**mark, "results": rows()}).verdict == "marked"


@pytest.mark.parametrize(
    "mark", [{"is_simulated": False}, {"origin": "measured"}, {"simulation_reason": ""}]
)
def test_a_denied_mark_is_none(scanned, mark):
    assert scanned("r.json", {"results": rows(**mark)}).verdict == "suspect"


def test_a_mark_on_some_rows_does_not_cover_the_others(scanned):
    loose = {"hardware": "cuda", "latency_ms": 3.0, "note": "mock run"}
    mixed = [*rows(is_simulated=True), loose]
    report = scanned("r.json", mixed)
    assert (report.verdict, report.claims, report.marked) == ("suspect", 16, 15)


def test_a_word_beside_unmarked_numbers_is_suspect(scanned):
    record = {"latency_ms": 3.2, "implementation_type": "(MOCK)", **ENVIRONMENT}
    report = scanned("r.json", {"cuda": {"bert": record}})
    assert report.verdict == "suspect"
    assert "MOCK" in report.reasons[0].text


@pytest.mark.parametrize(
    "note", ["not simulated", "dummy inputs of 128 tokens", "no mock was used"]
)
def test_words_that_deny_or_speak_of_inputs_are_no_sign(scanned, note):
    record = {"hardware": "cuda", "latency_ms": 3.2, "note": note, **ENVIRONMENT}
    assert scanned("r.json", [record]).verdict == "looks measured"


def test_numbers_for_hardware_that_the_file_says_was_not_there_are_suspect(scanned):
    known = {"cuda": {"available": False}, "cpu": True}
    record = {"model": "bert", "hardware": "cuda", "latency_ms": 3.2, **ENVIRONMENT}
    report = scanned("r.json", {"hardware_availability": known, "results": [record]})
    assert signs(report) == {"absent"}
    assert report.verdict == "suspect"


def test_hardware_the_ledger_never_saw_counts_with_another_sign(scanned):
    record = {"hardware": "cuda", "latency_ms": 3.2}
    assert scanned("a.json", [{**record, **ENVIRONMENT}], missing={"cuda"}).verdict != "suspect"
    assert scanned("b.json", [record], missing={"cuda"}).verdict == "suspect"


@pytest.mark.parametrize(
    "record",
    [
        {"hardware": "cuda", "latency_ms": -1.0},
        {"hardware": "nvidia a100", "achieved_tflops": 2000.0},
        {"hardware": "A100", "latency_ms": 0.001, "parameters_million": 7000},
    ],
)
def test_the_impossible_is_suspect(scanned, record):
    report = scanned("r.json", [{**record, **ENVIRONMENT}])
    assert (report.verdict, signs(report)) == ("suspect", {"impossible"})


def test_not_a_number_is_suspect(scanned):
    text = '[{"hardware": "cuda", "latency_ms": NaN, "iterations": 5}]'
    assert signs(scanned("r.json", text)) == {"impossible"}


def test_equal_jitter_of_two_results_is_suspect(scanned):
    jitter = np.random.default_rng(1).lognormal(0, 0.05, 20)
    results = [
        {
            "hardware": h,
            "model": "m",
            "latencies_ms": list(b * jitter),
            "latency_ms": b,
            "host": "x",
        }
        for h, b in (("cpu", 12.3), ("cuda", 4.5))
    ]
    assert "jitter" in signs(scanned("r.json", results))


def test_round_numbers_without_anything_beside_them_are_suspect(scanned):
    values = [10, 15, 20, 25, 50, 75, 100, 150, 200]
    records = [{"hardware": "cuda", "model": f"m{v}", "latency_ms": v} for v in values]
    assert scanned("r.json", records).verdict == "suspect"
    assert scanned("s.json", [{**r, **ENVIRONMENT} for r in records]).verdict == "unsupported"


def test_markdown_is_judged_by_table_and_heading(scanned):
    assert scanned("a.md", f"# Results\n\n{FORMULA}").verdict == "suspect"
    assert scanned("b.md", f"# Simulated results\n\n{FORMULA}").verdict == "marked"
    assert scanned("c.md", f"# Results\n\n> **Note:** estimated.\n\n{FORMULA}").verdict == "marked"
    denied = f"# Results\n\nReal, not simulated.\n\n{FORMULA}"
    assert scanned("d.md", denied).verdict == "suspect"


def test_a_sentence_is_a_claim_only_with_hardware(scanned):
    assert scanned("a.md", "It takes 5 ms.").verdict == "no claim"
    assert scanned("b.md", "BERT takes 5 ms on an A100.").verdict == "unsupported"
    assert scanned("c.md", "An A100 would take an estimated 5 ms.").verdict == "marked"


def test_html_csv_lines_and_notebooks_are_read(scanned):
    cells = "".join(
        f"<tr><td>{m}</td><td>{b:.3f}</td><td>{b * 0.2:.4f}</td></tr>" for m, b in BASE.items()
    )
    head = "<tr><th>Model</th><th>CPU latency (ms)</th><th>CUDA latency (ms)</th></tr>"
    page = f"<html><script>var x='mock 5 ms on cuda'</script><h1>R</h1><table>{head}{cells}</table>"
    assert scanned("r.html", page).verdict == "suspect"
    lines = "\n".join(json.dumps(r) for r in rows())
    assert scanned("r.jsonl", lines).verdict == "suspect"
    csv = "model,hardware,latency_ms,is_simulated\n" + "".join(
        f"{r['model_name']},{r['hardware_type']},{r['average_latency_ms']},{{}}\n" for r in rows()
    )
    assert scanned("a.csv", csv.replace("{}", "False")).verdict == "suspect"
    assert scanned("b.csv", csv.replace("{}", "True")).verdict == "marked"
    code = {"cell_type": "code", "source": ["latency = 5 + random.gauss(0, 1)"],
            "outputs": [{"text": ["BERT on cuda: 5.2 ms"]}]}  # fmt: skip
    assert signs(scanned("n.ipynb", {"cells": [code]})) >= {"generated"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", ""), ("a.json", "{"), ("a.json", "[" * 5000),
        ("a.json", '{"a":' * 500 + "1" + "}" * 500),
        ("a.jsonl", "{}\n{"), ("a.csv", 'a,"b\n1'), ("a.ipynb", "{}"), ("a.ipynb", "[]"),
        ("a.duckdb", "no database"), ("a.bin", "\x00"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_not_examined_with_a_reason(scanned, name, text):
    report = scanned(name, text)
    assert report.verdict == "not examined"
    assert report.reasons[0].text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '"x"'), ("a.json", "5"), ("a.json", "{}"), ("a.md", ""),
        ("a.md", "|||\n|-|\n||"),
        ("a.csv", ""), ("a.html", "<p"), ("a.html", "</td></tr>"), ("a.ipynb", '{"cells":[1,{}]}'),
        ("package.json", '{"timeout_ms": 5, "platform": "linux"}'),
    ],
)  # fmt: skip
def test_what_claims_nothing_is_no_claim(scanned, name, text):
    assert scanned(name, text).verdict == "no claim"


@pytest.fixture
def ledger(tmp_path):
    """Measured rows, one of them of a device that was never there."""
    moment, found = datetime(2026, 1, 2, tzinfo=UTC), Ledger(tmp_path / "l.duckdb")
    found.record_run(RunRecord("run", "bench run", "performance", moment))
    rng, records = np.random.default_rng(0), []
    for device in ("cpu", "cuda"):
        hardware = HardwareRecord(device, device, device, "Linux", "6.1", "host")
        samples = tuple(int(v) for v in rng.lognormal(16, 0.05, 50))
        records.append(
            MeasurementRecord(
                run_id="run", model=ModelRecord("m", "v", "f", "text", "hub"), hardware=hardware,
                target=f"torch/{device}/fp32", test_case="t/b1", task="t", batch_size=1, shapes={},
                precision="fp32", origin=Origin.MEASURED, status=CaseStatus.OK, created_at=moment,
                samples_ns=samples, latency_p50_ns=int(np.median(samples)),
            )
        )  # fmt: skip
        found.record_availability(
            [AvailabilityRecord(hardware, device == "cpu", "looked", moment, "host")]
        )
    found.record_measurements(records)
    return found


def test_a_ledger_of_ours_looks_measured_and_leaves_nothing_beside_it(ledger):
    before = sorted(ledger.path.parent.iterdir())
    assert scan_file(ledger.path).verdict == "looks measured"
    assert sorted(ledger.path.parent.iterdir()) == before


def test_the_command_finds_marks_and_exits_1(tmp_path, ledger, capsys):
    folder = tmp_path / "reports"
    (folder / "node_modules").mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps(rows()))
    (folder / "node_modules" / "b.json").write_text(json.dumps(rows()))
    (folder / "c.md").write_text(FORMULA)
    (folder / "d.json").write_text(json.dumps([{"device": "cuda", "latency_ms": 5.123}]))
    asked = ["evidence", "scan", str(folder), "--db", str(ledger.path)]
    assert _run([*asked, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "ipfs-accelerate/evidence-scan/1"
    assert [r["verdict"] for r in found["reports"]] == ["suspect"] * 3
    assert _run([*asked, "--mark", "sidecar"]) == 1
    marked = sorted(p.name for p in folder.iterdir() if p.name.endswith(".stale.json"))
    assert marked == ["a.json.stale.json", "c.md.stale.json", "d.json.stale.json"]
    capsys.readouterr()
    assert _run([*asked]) == 1
    assert "3 files: 3 suspect" in capsys.readouterr().out  # its own marks are not scanned


def test_nothing_is_written_unless_asked(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(rows()))
    assert _run(["evidence", "scan", str(tmp_path)]) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("name", ["r.md", "r.html"])
def test_a_banner_keeps_the_original_and_comes_once(scanned, tmp_path, name):
    text = FORMULA if name == "r.md" else "<html><body>CUDA: 5 ms</body></html>"
    report = scanned(name, text)
    path = add_banner(report)
    assert (tmp_path / f"{name}.unmarked").read_text() == text
    assert "Not evidence" in path.read_text()
    assert path.read_text().endswith(text[-20:])
    assert add_banner(report) is None


def test_a_banner_never_overwrites_a_copy_or_goes_into_data(scanned, tmp_path):
    report = scanned("r.md", FORMULA)
    (tmp_path / "r.md.unmarked").write_text("older")
    with pytest.raises(InputError, match="in the way"):
        add_banner(report)
    with pytest.raises(InputError, match="no banner"):
        add_banner(scanned("r.json", rows()))
    assert write_sidecar(scanned("r.json", rows())).exists()


def test_a_banner_cannot_be_left_by_what_it_quotes(scanned):
    report = scanned("r.html", "<p>5 ms on cuda</p>")
    evil = replace(report, reasons=(Reason("words", "strong", 1, "--> <script>alert(1)</script>"),))
    assert "<script>" not in add_banner(evil).read_text()


def test_a_path_that_leads_nowhere_is_refused(tmp_path):
    with pytest.raises(InputError):
        list(find_reports([tmp_path / "nothing"]))


def test_our_own_pages_are_never_suspect():
    root = Path(__file__).parents[3]
    pages = [root / "README.md", root / "CHANGELOG.md", *find_reports([root / "docs"])]
    found = [scan_file(page) for page in pages]
    assert [r.path for r in found if r.verdict in ("suspect", "not examined")] == []
