"""JSON and JSON lines: objects with numbers, their line, and what stands beside them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.scanner.claims import (
    Claim,
    Document,
    hardware_in,
    mark_of_field,
    metric_of,
    suspicious_word,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["add_fields", "read_json", "read_json_lines"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:)?|\n', re.DOTALL)
_HARDWARE_FIELDS = ("target", "hardware_type", "hardware", "device", "device_name",
                    "hardware_platform", "platform", "backend", "accelerator", "gpu")  # fmt: skip
_SERIES_FIELDS = ("model_name", "model", "model_id", "test_case", "task", "batch_size", "batch",
                  "precision", "sequence_length", "shape")  # fmt: skip
_SAMPLE_FIELDS = re.compile(
    r"samples(_ns|_ms)?|raw_\w+|latencies\w*|iterations|num_runs|runs|repetitions", re.IGNORECASE
)
_ENVIRONMENT_FIELDS = re.compile(
    r"environment|versions?|driver\w*|hostname|host|kernel|commit|git_commit|python\w*|cuda_version|"
    r"system_info|machine",
    re.IGNORECASE,
)
_AVAILABILITY = re.compile(
    r"hardware_availability|available_hardware|hardware_detected", re.IGNORECASE
)
_PARAMETERS = {"parameters_million": 1e6, "num_parameters": 1.0, "parameters": 1.0}
_DEEPEST = 100


class _Object(list[tuple[str, object]]):
    """An object with its fields in the order of the text, repeated ones included."""


@dataclass(frozen=True, slots=True)
class _Context:
    """What the surrounding objects say."""

    hardware: str | None = None
    series: str = ""
    mark: str | None = None
    has_samples: bool = False
    has_environment: bool = False


class TooDeepError(ValueError):
    """Nested beyond what a report is."""


def read_json(text: str, *, first_line: int = 1) -> Document:
    """Claims of one JSON document.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        tree = json.loads(text, object_pairs_hook=_Object)
    except RecursionError as error:
        raise TooDeepError("nested too deeply") from error
    found = Document()
    _walk(tree, _Context(), _key_lines(text, first_line), found, depth=0)
    return found


def read_json_lines(text: str) -> Document:
    """Claims of a document a line.

    Raises:
        ValueError: A line is not JSON.
    """
    found = Document()
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            part = read_json(line, first_line=number)
            found.claims += part.claims
            found.absent |= part.absent
            found.samples |= {f"line {number} {k}": v for k, v in part.samples.items()}
    return found


def add_fields(
    found: Document, fields: Mapping[str, object], line: int, *, hardware: str | None = None
) -> None:
    """Claims of one flat record, such as a row of a table."""
    context = _within(_Context(hardware), fields)
    for name, value in fields.items():
        _claim(found, context, fields, (name, value, line))


def _key_lines(text: str, line: int) -> Iterator[int]:
    """Lines of all keys, in the order of the text."""
    for token in _TOKEN.finditer(text):
        if token[0] == "\n":
            line += 1
        elif token[1] is not None:
            yield line


def _walk(
    tree: object, context: _Context, lines: Iterator[int], found: Document, *, depth: int
) -> None:
    if depth > _DEEPEST:
        raise TooDeepError(f"nested deeper than {_DEEPEST}")
    if isinstance(tree, _Object):
        fields = dict(tree)
        inner = _within(context, fields)
        for name, value in tree:
            line = next(lines, 0)
            _claim(found, inner, fields, (name, value, line))
            if _AVAILABILITY.fullmatch(name):
                _note_absent(found, value, line)
            _walk(value, _under(inner, name, value), lines, found, depth=depth + 1)
    elif isinstance(tree, list):
        for entry in tree:
            _walk(entry, context, lines, found, depth=depth + 1)


def _within(context: _Context, fields: Mapping[str, object]) -> _Context:
    """What is known inside an object with these fields."""
    hardware = next(
        (
            named
            for name in _HARDWARE_FIELDS
            if isinstance(value := fields.get(name), str) and (named := _hardware(value))
        ),
        context.hardware,
    )
    series = " ".join(
        str(fields[n]) for n in _SERIES_FIELDS if isinstance(fields.get(n), (str, int))
    )
    nested = mark_of_field({k: v for k, v in fields.items() if not isinstance(v, list)})
    return replace(
        context,
        hardware=hardware,
        series=f"{context.series} {series}".strip(),
        mark=nested or context.mark,
        has_samples=context.has_samples or any(map(_names_samples, fields)),
        has_environment=context.has_environment or any(map(_names_environment, fields)),
    )


def _hardware(value: str) -> str | None:
    """A target or device in full, when it names hardware at all."""
    return value.lower()[:80] if hardware_in(value) else None


def _under(context: _Context, name: str, value: object) -> _Context:
    """What a key says about the object or list behind it."""
    if not isinstance(value, list):
        return context
    named = hardware_in(name) if len(name) < 40 else None
    if named:
        return replace(context, hardware=named)
    return replace(context, series=f"{context.series} {name}".strip())


def _claim(
    found: Document, context: _Context, fields: Mapping[str, object], at: tuple[str, object, int]
) -> None:
    name, value, line = at
    metric = metric_of(name)
    if metric is None or context.hardware is None:
        return
    if isinstance(value, list) and not isinstance(value, _Object):
        numbers = [float(v) for v in value if isinstance(v, (int, float)) and math.isfinite(v)]
        if len(numbers) > 1:
            found.samples[f"{context.hardware} {context.series} line {line}"] = numbers
        return
    number = _number(value)
    if number is None:
        return
    word = next(
        (f"{key} is {text!r:.50}" for key, text in fields.items()
         if isinstance(text, str) and suspicious_word(text)), None,
    )  # fmt: skip
    found.claims.append(
        Claim(
            line, metric, name, number if math.isfinite(number) else None, context.hardware,
            context.series, context.mark, word, context.has_samples, context.has_environment,
            _parameters(fields),
        )
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _names_samples(field: str) -> bool:
    return _SAMPLE_FIELDS.fullmatch(field) is not None


@lru_cache(maxsize=4096)
def _names_environment(field: str) -> bool:
    return _ENVIRONMENT_FIELDS.fullmatch(field) is not None


def _number(value: object) -> float | None:
    """A number, also one written as text (as in tables); ``None`` for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value.replace(",", ""))
        except ValueError:
            return None
    return None


def _parameters(fields: Mapping[str, object]) -> float | None:
    for name, unit in _PARAMETERS.items():
        value = fields.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value * unit
    return None


def _note_absent(found: Document, value: object, line: int) -> None:
    """``{"cuda": false, …}`` or ``{"cuda": {"available": false}}``."""
    for name, state in value if isinstance(value, _Object) else ():
        available = dict(state).get("available") if isinstance(state, _Object) else state
        if available is False:
            found.absent[name.lower()] = line
