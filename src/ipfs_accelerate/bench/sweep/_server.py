"""Imports the libraries once and forks a process for each class, which may die as it likes.

Speaks the protocol of `bench.isolation`. Nothing here computes: a library that has not begun to
work has no threads, so forking it is safe.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import selectors
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.bench import _tree
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_TICK_S = 0.05
#: With these, nothing is asked of the hub.
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "ORT_DISABLE_TELEMETRY": "1",
    "OMP_NUM_THREADS": "1",  # tiny models: a second thread only waits
}


def preload() -> dict[str, object]:
    """Import what every trial needs; what is absent is found out by the trials."""
    os.environ.update(OFFLINE)
    import logging

    logging.disable(logging.ERROR)
    for module in _MODULES:
        with contextlib.suppress(ImportError):
            __import__(module)
    gc.freeze()  # a collection in a child would copy every page
    return {"pid": os.getpid(), "threads": threading.active_count()}


_MODULES = (
    "torch",
    "torch.onnx._internal.exporter._core",
    "onnxscript.function_libs.torch_lib.ops",
    "onnxruntime",
    "openvino",
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.exporters.exporter_onnx",
    "ipfs_accelerate.bench.sweep.trial",
    "ipfs_accelerate.bench.sweep.graphs",
)


def trial(
    *, config_class: dict[str, str], targets: list[str], timeout_ns: int, memory_bytes: int
) -> dict[str, object]:
    """Try one class in a process of its own; what it told before it died is kept.

    Returns:
        ``events`` in order, and ``death``: ``None``, ``timeout``, ``memory`` or the signal.
    """
    read_fd, write_fd = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(read_fd)
        _child(write_fd, config_class, targets)
    os.close(write_fd)
    try:
        return _watch(pid, read_fd, timeout_ns, memory_bytes)
    finally:
        os.close(read_fd)


def _child(write_fd: int, config_class: dict[str, str], targets: list[str]) -> None:
    """Never returns."""
    code = 1
    try:
        _tree.die_with_parent(os.getppid())
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        from ipfs_accelerate.bench.sweep.classes import ConfigClass
        from ipfs_accelerate.bench.sweep.trial import try_class

        def emit(event: dict[str, object]) -> None:
            os.write(write_fd, json.dumps(event).encode() + b"\n")

        try_class(ConfigClass(**config_class), targets, emit)
        code = 0
    finally:
        os._exit(code)


def _watch(pid: int, read_fd: int, timeout_ns: int, memory_bytes: int) -> dict[str, object]:
    clock = MonotonicClock()
    deadline_ns = clock.now_ns() + timeout_ns
    received, killed = bytearray(), None
    with selectors.DefaultSelector() as selector:
        selector.register(read_fd, selectors.EVENT_READ)
        while True:
            if selector.select(_TICK_S):
                chunk = os.read(read_fd, 65536)
                if not chunk:
                    break
                received += chunk
            killed = _reason_to_kill(pid, clock.now_ns() - deadline_ns, memory_bytes)
            if killed:
                os.kill(pid, signal.SIGKILL)
                break
    _, status = os.waitpid(pid, 0)
    death = killed or _death(status)
    # A line that the death cut short tells nothing.
    lines = bytes(received).split(b"\n")[:-1]
    return {"events": [json.loads(line) for line in lines], "death": death}


def _reason_to_kill(pid: int, late_ns: int, memory_bytes: int) -> str | None:
    if late_ns > 0:
        return "timeout"
    return "memory" if _tree.resident_bytes(pid) > memory_bytes else None


def _death(status: int) -> str | None:
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    code = os.WEXITSTATUS(status)
    return f"exit status {code}" if code else None


_COMMANDS = {"preload": preload, "trial": trial}


def main(arguments: Sequence[str]) -> None:
    """Serve requests until their pipe closes."""
    requests_fd, replies_fd, parent = (int(a) for a in arguments[:3])
    _tree.die_with_parent(parent)
    os.set_inheritable(requests_fd, False)
    os.set_inheritable(replies_fd, False)
    with os.fdopen(requests_fd) as requests, os.fdopen(replies_fd, "w") as replies:
        for line in requests:
            replies.write(json.dumps(_answer(json.loads(line))) + "\n")
            replies.flush()


def _answer(request: dict[str, Any]) -> dict[str, object]:
    command = _COMMANDS[str(request.pop("command"))]
    try:
        return {"result": command(**request)}  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 (the process border: the parent stores it)
        name = type(error).__name__
        return {
            "error": {"code": "internal", "category": "internal", "message": f"{name}: {error}"}
        }


if __name__ == "__main__":
    main(sys.argv[1:])
