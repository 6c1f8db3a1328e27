"""The one place that imports ONNX Runtime."""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any

__all__ = ["error_types", "library"]

_ERRORS = (
    "EPFail",
    "EngineError",
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "ModelLoadCanceled",
    "ModelLoaded",
    "ModelRequiresCompilation",
    "NoModel",
    "NoSuchFile",
    "NotFound",
    "NotImplemented",
    "RuntimeException",
)
_ONLY_ERRORS = 3


@cache
def library() -> Any:  # noqa: ANN401 (an untyped module)
    """The module ``onnxruntime``, telemetry off, silent below errors.

    Raises:
        ImportError: It is not installed or does not load.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(_ONLY_ERRORS)
    return onnxruntime


@cache
def error_types() -> tuple[type[Exception], ...]:
    """Everything the library raises; its classes have no common base of their own."""
    library()
    state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    own = tuple(getattr(state, name) for name in _ERRORS if hasattr(state, name))
    return (*own, RuntimeError, ValueError, MemoryError)
