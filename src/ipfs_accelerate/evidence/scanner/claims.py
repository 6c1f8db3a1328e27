"""What a report claims about hardware, and how it says that a number is not real."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Claim",
    "Document",
    "Metric",
    "hardware_in",
    "mark_of_field",
    "mark_of_text",
    "metric_of",
    "suspicious_word",
]

Metric = Literal["latency", "throughput", "rate"]

_LATENCY = re.compile(
    r"latency|inference[_ ]time|execution[_ ]time|response[_ ]time|(time|elapsed|duration)[_ ]*"
    r"[(\[]?(ms|us|µs|ns|s|sec|seconds)\b|\bms\b|_ms\b",
    re.IGNORECASE,
)
_THROUGHPUT = re.compile(
    r"throughput|per[_ ]?sec|(items|samples|tokens|tok|images|img|queries|requests)/s|\bfps\b|"
    r"_per_s\b",
    re.IGNORECASE,
)
_RATE = re.compile(r"\b(t|g)(fl)?ops\b|_(t|g)(fl)?ops\b", re.IGNORECASE)
#: A processor, accelerator or vendor's runtime. Longer names first.
_HARDWARE = re.compile(
    r"(?<![a-z0-9])(cuda(:\d)?|rocm|mps|openvino|webgpu|webnn|qnn|hexagon|qualcomm|mediatek|exynos|"
    r"samsung|tpu|npu|vpu|xpu|gpu|cpu|[ahv]100|l40s?|mi300x?|rtx ?\d{4}|apple m\d|m[1-4] (pro|max|"
    r"ultra)|xeon|epyc|ryzen|nvidia|onnxruntime|torch)(?![a-z0-9])",
    re.IGNORECASE,
)
_FLAGS = frozenset({
    "is_simulated", "simulated", "simulation", "simulation_mode", "is_mock", "mock", "mocked",
    "using_mock", "is_simulation", "simulated_hardware", "is_estimated", "is_predicted",
})  # fmt: skip
_REAL = frozenset({"is_real", "is_real_hardware", "real_hardware", "is_measured"})
_SOURCES = frozenset({"origin", "data_source", "source_type", "result_type", "measurement_type"})
_REASONS = frozenset({"simulation_reason", "origin_reason"})
_NOT_REAL = re.compile(
    r"simulat\w*|emulat\w*|\bmock\w*|predict(ed|ion)\w*|imported|estimat\w*|projected|theoretical|"
    r"hypothetical|illustrative|placeholder|made[- ]up|not measured|invented|fabricated|"
    r"synthetic (result|number|benchmark|measurement|latenc)\w*|datasheet|"
    r"\bexample (number|value)s",
    re.IGNORECASE,
)
_SUSPICIOUS = re.compile(
    r"simulat\w*|(?<![a-z])mock\w*|(?<![a-z])fake\w*|placeholder|fabricated|hard-?coded|"
    r"(?<![a-z])dummy(?! (input|data|text|prompt|token))",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"(\bnot?|\bnever|\bwithout|n't|\bnon|\brather than|\binstead of|\bno longer)"
    r"[\s-]+(\w+\s+){0,2}$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """One number about some hardware.

    Attributes:
        line: Where it stands (a row of a ledger, a cell of a notebook); from 1.
        metric: What it is; a ``rate`` is in operations per second.
        name: Field or column.
        value: As written; ``None`` for what is no finite number.
        hardware: As the report calls it.
        series: What else tells it apart: model, batch, case.
        mark: How the report itself says that it is not real; ``None`` when it does not.
        word: A word beside the number that says so without being a mark; likewise.
        has_samples: Whether raw samples or their number stand beside it.
        has_environment: Whether versions, host or driver do.
        parameters: Parameters of the model, where stated beside it.
    """

    line: int
    metric: Metric
    name: str
    value: float | None
    hardware: str
    series: str = ""
    mark: str | None = None
    word: str | None = None
    has_samples: bool = False
    has_environment: bool = False
    parameters: float | None = None


@dataclass(slots=True)
class Document:
    """One file as the signs see it.

    Attributes:
        claims: In order.
        absent: Hardware that the file itself says was not there → line.
        generators: Lines of code that draw results from a random generator.
        samples: Place of a list of raw samples → the samples.
    """

    claims: list[Claim] = field(default_factory=list)
    absent: dict[str, int] = field(default_factory=dict)
    generators: list[int] = field(default_factory=list)
    samples: dict[str, list[float]] = field(default_factory=dict)


@lru_cache(maxsize=4096)
def metric_of(name: str) -> Metric | None:
    """What a field or column of this name holds; ``None`` for anything else."""
    if _RATE.search(name):
        return "rate"
    if _THROUGHPUT.search(name):
        return "throughput"
    return "latency" if _LATENCY.search(name) else None


@lru_cache(maxsize=4096)
def hardware_in(text: str) -> str | None:
    """The first hardware a text names, in lower case."""
    found = _HARDWARE.search(text.replace("_", " "))
    return found[0].lower() if found else None


def mark_of_field(fields: Mapping[str, object]) -> str | None:
    """How an object says that its numbers are not real."""
    for name, value in fields.items():
        key = name.lower()
        if key in _FLAGS and (value is True or value == 1 or str(value).lower() == "true"):
            return f"{name} is true"
        if key in _REAL and value is False:
            return f"{name} is false"
        if key in _SOURCES and isinstance(value, str) and _NOT_REAL.search(value):
            return f"{name} is {value!r:.40}"
        if key in _REASONS and isinstance(value, str) and value.strip():
            return f"{name} is given"
    return None


def mark_of_text(text: str) -> str | None:
    """The word by which a text says that numbers are not real, unless it denies it."""
    return _said(_NOT_REAL, text)


@lru_cache(maxsize=4096)
def suspicious_word(text: str) -> str | None:
    """A word that numbers of a machine do not come with, unless it is denied."""
    return _said(_SUSPICIOUS, text.replace("_", " "))


def _said(pattern: re.Pattern[str], text: str) -> str | None:
    for found in pattern.finditer(text):
        if not _NEGATION.search(text[: found.start()]):
            return found[0]
    return None
