"""A million result rows: the ledger against the JSON files the same rows came from.

`python benchmarks/ledger_million_rows.py` writes seeded, clearly synthetic records as legacy JSON
files (compact, 5,000 to a file), imports them through `import_json`, and asks ten usual questions
of both. A ledger query includes opening the file; a question to the files means reading them all,
which is what answering it from JSON takes. Every answer is compared. Median of `--repeats`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from ipfs_accelerate.store import ImportOptions, Ledger, import_json
from ipfs_accelerate.telemetry import MonotonicClock

FILE_ROWS = 5_000
HARDWARE = ("cpu", "cuda", "rocm", "mps", "openvino", "qnn", "webnn", "webgpu")
PRECISIONS = ("fp32", "fp16", "int8")
BATCHES = (1, 2, 4, 8, 16, 32)
MODELS = tuple(f"synthetic/model-{n:02d}" for n in range(60))
MODEL, DEVICE = MODELS[7], "cuda"
START = datetime(2024, 1, 1, tzinfo=UTC)
CLOCK = MonotonicClock()

Record = dict[str, object]
REAL = "origin = 'imported'"


def records(rows: int, seed: int) -> Iterator[Record]:
    """Plausible results: latency falls with the device, grows with the batch, and is noisy."""
    rng = np.random.default_rng(seed)
    moment = START
    while rows > 0:
        n = min(FILE_ROWS, rows)
        rows -= n
        picks = [rng.integers(0, len(c), n) for c in (MODELS, HARDWARE, PRECISIONS, BATCHES)]
        noise, steps = rng.lognormal(0, 0.2, n), rng.integers(1, 60_000_000, n)
        simulated = rng.random(n) < 0.05
        for i in range(n):
            model, device, precision, batch = (int(p[i]) for p in picks)
            moment += timedelta(microseconds=int(steps[i]))
            latency = (5 + model) * (1 + device) / (1 + precision) * BATCHES[batch] ** 0.8
            latency = round(latency * float(noise[i]), 3)
            yield {
                "model_name": MODELS[model],
                "model_family": "embedding",
                "hardware_type": HARDWARE[device],
                "device_name": f"synthetic {HARDWARE[device]}",
                "test_case": f"feature-extraction/b{BATCHES[batch]}",
                "batch_size": BATCHES[batch],
                "precision": PRECISIONS[precision],
                "average_latency_ms": latency,
                "throughput_items_per_second": round(BATCHES[batch] / latency * 1e3, 2),
                "memory_peak_mb": round(300 + 40.0 * model + 3.5 * BATCHES[batch], 1),
                "iterations": 100,
                "warmup_iterations": 10,
                "timestamp": moment.isoformat(),
                "is_simulated": bool(simulated[i]),
            }


def write_files(folder: Path, rows: int, seed: int) -> list[Path]:
    files: list[Path] = []
    part: list[Record] = []
    for record in records(rows, seed):
        part.append(record)
        if len(part) == FILE_ROWS:
            files.append(_write(folder, len(files), part))
            part = []
    if part:
        files.append(_write(folder, len(files), part))
    return files


def _write(folder: Path, number: int, part: list[Record]) -> Path:
    path = folder / f"results-{number:05d}.json"
    path.write_text(json.dumps(part, separators=(",", ":")), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Question:
    """One question: as SQL, and as a pass over all records that collects and then answers."""

    name: str
    sql: str
    collect: Callable[[dict, list[Record]], None]
    answer: Callable[[dict], object]


def real(part: list[Record]) -> Iterator[Record]:
    return (r for r in part if not r["is_simulated"])


def _of_model(part: list[Record]) -> Iterator[Record]:
    return (r for r in real(part) if r["model_name"] == MODEL)


def _groups(key: str, value: str, chosen: Callable) -> Callable[[dict, list[Record]], None]:
    def collect(state: dict, part: list[Record]) -> None:
        for r in chosen(part):
            state.setdefault(r[key], []).append(r[value])

    return collect


def _means(state: dict) -> list[tuple]:
    return sorted((k, round(statistics.fmean(v), 6)) for k, v in state.items())


def _newest(state: dict, part: list[Record]) -> None:
    rows = state.get("rows", []) + [r["timestamp"] for r in real(part)]
    state["rows"] = sorted(rows, reverse=True)[:20]


def _newest_of_model(state: dict, part: list[Record]) -> None:
    rows = [(r["timestamp"], r["average_latency_ms"]) for r in _of_model(part)]
    state["row"] = max([state.get("row", ("", 0)), *rows])


def _latest_per_case(state: dict, part: list[Record]) -> None:
    for r in real(part):
        case = (r["model_name"], r["hardware_type"], r["batch_size"], r["precision"])
        state[case] = max(state.get(case, ("", 0)), (r["timestamp"], r["average_latency_ms"]))


def _pair(state: dict, part: list[Record]) -> None:
    wanted = (r for r in _of_model(part) if r["hardware_type"] == DEVICE)
    state.setdefault("v", []).extend(r["average_latency_ms"] for r in wanted)


def _history(state: dict, part: list[Record]) -> None:
    rows = state.setdefault("v", [])
    for r in _of_model(part):
        if (r["hardware_type"], r["batch_size"], r["precision"]) == (DEVICE, 8, "fp16"):
            rows.append((r["timestamp"], r["average_latency_ms"]))


def _days(state: dict, part: list[Record]) -> None:
    for day, count in Counter(str(r["timestamp"])[:10] for r in real(part)).items():
        state[day] = state.get(day, 0) + count


def _origins(state: dict, part: list[Record]) -> None:
    for r in part:
        origin = "simulated" if r["is_simulated"] else "imported"
        state[origin] = state.get(origin, 0) + 1


def _fast(part: list[Record]) -> Iterator[Record]:
    return (r for r in real(part) if r["batch_size"] == 8)


def _best(state: dict, part: list[Record]) -> None:
    for r in real(part):
        key, value = r["model_name"], r["average_latency_ms"]
        state[key] = min(state.get(key, value), value)


P = "performance_results"
NAMED = f"{P} JOIN models USING (model_id) JOIN hardware_platforms USING (hardware_id)"
QUESTIONS = (
    Question("rows by origin", f"SELECT origin, count(*) FROM {P} GROUP BY 1 ORDER BY 1",
             _origins, lambda s: sorted(s.items())),
    Question("newest 20", f"SELECT created_at FROM {P} WHERE {REAL} ORDER BY 1 DESC LIMIT 20",
             _newest, lambda s: [(_when(t),) for t in s["rows"]]),
    Question("newest of a model",
             f"SELECT {P}.created_at, average_latency_ms FROM {NAMED} WHERE {REAL} AND "
             f"model_name = '{MODEL}' ORDER BY 1 DESC LIMIT 1",
             _newest_of_model, lambda s: [(_when(s["row"][0]), s["row"][1])]),
    Question("a model by device",
             f"SELECT hardware_type, round(avg(average_latency_ms), 6) FROM {NAMED} WHERE {REAL} "
             f"AND model_name = '{MODEL}' GROUP BY 1 ORDER BY 1",
             _groups("hardware_type", "average_latency_ms", _of_model), _means),
    Question("throughput by model at batch 8",
             f"SELECT model_name, round(avg(throughput_items_per_second), 6) FROM {NAMED} WHERE "
             f"{REAL} AND batch_size = 8 GROUP BY 1 ORDER BY 1",
             _groups("model_name", "throughput_items_per_second", _fast), _means),
    Question("fastest of every model",
             f"SELECT model_name, min(average_latency_ms) FROM {NAMED} WHERE {REAL} "
             "GROUP BY 1 ORDER BY 1", _best, lambda s: sorted(s.items())),
    Question("median of a model on a device",
             f"SELECT median(average_latency_ms) FROM {NAMED} WHERE {REAL} AND model_name = "
             f"'{MODEL}' AND hardware_type = '{DEVICE}'",
             _pair, lambda s: [(statistics.median(s["v"]),)]),
    Question("history of a case",
             f"SELECT {P}.created_at, average_latency_ms FROM {NAMED} WHERE {REAL} AND "
             f"model_name = '{MODEL}' AND hardware_type = '{DEVICE}' AND batch_size = 8 AND "
             "precision = 'fp16' ORDER BY 1",
             _history, lambda s: [(_when(t), v) for t, v in sorted(s["v"])]),
    Question("rows per day",
             f"SELECT created_at::DATE, count(*) FROM {P} WHERE {REAL} "
             "GROUP BY 1 ORDER BY 1",
             _days, lambda s: sorted((date.fromisoformat(d), n) for d, n in s.items())),
    Question("latest of every case",
             "SELECT model_name, hardware_type, batch_size, precision, average_latency_ms FROM "
             f"latest_performance_metrics WHERE {REAL} ORDER BY 1, 2, 3, 4",
             _latest_per_case, lambda s: sorted((*k, v[1]) for k, v in s.items())),
)  # fmt: skip


def _when(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def timed(call: Callable[[], object]) -> tuple[float, object]:
    start = CLOCK.now_ns()
    result = call()
    return (CLOCK.now_ns() - start) / 1e6, result


def ask_files(files: list[Path]) -> tuple[float, dict[str, tuple[float, object]]]:
    """Milliseconds to parse all files, and per question to go through them; with its answer."""
    parse_ms, spent = 0.0, defaultdict(float)
    states: dict[str, dict] = {q.name: {} for q in QUESTIONS}
    for file in files:
        elapsed, part = timed(lambda file=file: json.loads(file.read_bytes()))
        parse_ms += elapsed
        for q in QUESTIONS:
            spent[q.name] += timed(lambda q=q, part=part: q.collect(states[q.name], part))[0]
    answers = {}
    for q in QUESTIONS:
        elapsed, answer = timed(lambda q=q: q.answer(states[q.name]))
        answers[q.name] = (parse_ms + spent[q.name] + elapsed, answer)
    return parse_ms, answers


def same(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return abs(left - right) <= 1e-5 * max(1.0, abs(right))
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def measure(folder: Path, rows: int, repeats: int) -> dict[str, object]:
    files = write_files(folder, rows, seed=1)
    json_bytes = sum(f.stat().st_size for f in files)
    ledger = Ledger(folder / "ledger.duckdb")
    import_ms, report = timed(lambda: import_json(ledger, files, ImportOptions(archive=False)))
    reader = Ledger(ledger.path, read_only=True)
    parse_ms, expected = ask_files(files)
    questions = []
    for q in QUESTIONS:
        runs = [timed(lambda q=q: reader.query(q.sql)) for _ in range(repeats)]
        files_ms, answer = expected[q.name]
        questions.append({
            "question": q.name,
            "ledger_ms": statistics.median(ms for ms, _ in runs),
            "json_ms": files_ms,
            "equal": same(runs[0][1].rows, answer),  # type: ignore[attr-defined]
        })  # fmt: skip
    ledger_bytes = ledger.path.stat().st_size
    return {
        "rows": rows,
        "imported": report.imported,  # type: ignore[attr-defined]
        "import_s": import_ms / 1e3,
        "json_bytes": json_bytes,
        "ledger_bytes": ledger_bytes,
        "smaller": 1 - ledger_bytes / json_bytes,
        "json_parse_ms": parse_ms,
        "questions": questions,
        "faster": min(q["json_ms"] / q["ledger_ms"] for q in questions),
    }


def show(found: dict[str, object]) -> None:
    print(f"{'question':32} {'ledger ms':>10} {'JSON ms':>10} {'ratio':>8}  equal")
    for q in found["questions"]:  # type: ignore[attr-defined]
        ratio = q["json_ms"] / q["ledger_ms"]
        equal = "yes" if q["equal"] else "NO"
        print(
            f"{q['question']:32} {q['ledger_ms']:10.1f} {q['json_ms']:10.0f} {ratio:7.0f}x  {equal}"
        )
    print(
        f"\n{found['imported']:,} of {found['rows']:,} rows imported in {found['import_s']:.1f} s\n"
        f"size: JSON {found['json_bytes'] / 1e6:.1f} MB, ledger {found['ledger_bytes'] / 1e6:.1f} "  # type: ignore[operator]
        f"MB: {found['smaller']:.1%} smaller (goal 90%)\n"
        f"slowest ledger query {max(q['ledger_ms'] for q in found['questions']):.1f} ms "  # type: ignore[attr-defined]
        f"(goal 100); least gain {found['faster']:.0f}x (goal 50x)"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ledger-rows-") as folder:
        found = measure(Path(folder), options.rows, options.repeats)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    return 0 if all(q["equal"] for q in found["questions"]) else 1  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
