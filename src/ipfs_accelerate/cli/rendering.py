"""Outputs of tasks as JSON values and as lines for people."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from math import isfinite

__all__ = ["as_json_value", "as_text"]

_PREVIEW = 8


def as_json_value(output: object) -> object:
    """Arrays as nested lists, records as objects; what is not a finite number as ``null``."""
    import numpy as np

    if isinstance(output, np.ndarray):
        return as_json_value(output.tolist())
    if isinstance(output, dict):
        return {str(name): as_json_value(value) for name, value in output.items()}
    if isinstance(output, (list, tuple)):
        return [as_json_value(item) for item in output]
    if is_dataclass(output):
        return {f.name: as_json_value(getattr(output, f.name)) for f in fields(output)}
    if isinstance(output, float) and not isfinite(output):
        return None
    return output


def as_text(output: object) -> str:
    """Lines for people; arrays as shape, type and first values."""
    import numpy as np

    if isinstance(output, np.ndarray):
        return _array(output)
    if isinstance(output, dict):
        return "\n".join(f"{name}: {as_text(value)}" for name, value in output.items())
    if isinstance(output, (list, tuple)):
        parts = [as_text(item) for item in output]
        nested = any(isinstance(item, (list, tuple)) for item in output)
        return ("\n\n" if nested else "\n").join(parts) if parts else "(nothing found)"
    if is_dataclass(output):
        return _record(output)
    return str(output)


def _array(array: object) -> str:
    import numpy as np

    assert isinstance(array, np.ndarray)
    size = "x".join(str(s) for s in array.shape) or "scalar"
    if array.ndim == 2 and max(array.shape) <= _PREVIEW:
        rows = "\n".join("  ".join(f"{value: .4f}" for value in row) for row in array)
        return f"{array.dtype}[{size}]\n{rows}"
    first = ", ".join(f"{value:.4g}" for value in array.ravel()[:_PREVIEW])
    more = ", …" if array.size > _PREVIEW else ""
    return f"{array.dtype}[{size}] {first}{more}"


def _record(record: object) -> str:
    text = getattr(record, "text", None)
    if hasattr(record, "token_ids"):  # a generated text speaks for itself
        return str(text)
    value = getattr(record, "score", None)
    score = "" if value is None else f"{value:.4f}"
    subject = getattr(record, "label", None) or getattr(record, "token", None)
    rest = getattr(record, "sequence", None) or text or ""
    return "  ".join(part for part in (score, str(subject), str(rest)) if part)
