"""The conversion itself, in a process of its own: memory is returned, a crash stays here.

Reads a JSON request from stdin, builds into its folder and answers one JSON document on stdout.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import AccelerateError, ConversionError, DiskFullError
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["convert", "main"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main() -> int:
    """Serve one request; the exit status is 0 when the answer is a result."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever libraries print must not become the answer
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    request = json.load(sys.stdin)
    try:
        with _typed_disk_errors():
            result: dict[str, object] = {"result": convert(request)}
    except AccelerateError as error:
        result = {"error": error.to_dict()}
    json.dump(result, answer)
    answer.close()
    return 0 if "result" in result else 1


@contextmanager
def _typed_disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(
            f"no space left while converting: {error}", hint="free disk space and try again"
        ) from error


def convert(request: dict[str, object]) -> dict[str, object]:
    """Export every component of a model and compare it with PyTorch.

    Args:
        request: ``source`` and ``target`` folders, ``allow_remote_code``, ``architecture``.

    Returns:
        ``parity`` and the time each step took.

    Raises:
        ConversionError: The export failed.
        ParityError: The graphs compute something else.
    """
    from ipfs_accelerate.models.conversion._export import export_component
    from ipfs_accelerate.models.conversion._generation import check_generation
    from ipfs_accelerate.models.conversion._parity import Differences, check_component
    from ipfs_accelerate.models.conversion.source import SourceModel

    clock = MonotonicClock()
    started_ns = clock.now_ns()
    target = Path(str(request["target"]))
    source = SourceModel(
        Path(str(request["source"])),
        dtype="fp32",
        architecture=str(request["architecture"]),
        allow_remote_code=bool(request.get("allow_remote_code")),
    )
    paths = {c.name: target / f"{c.name}.onnx" for c in source.recipe.components}
    for component in source.recipe.components:
        export_component(source, component, paths[component.name])
    exported_ns = clock.now_ns()
    differences = Differences(source.recipe.tolerance)
    for component in source.recipe.components:
        check_component(source, component, paths[component.name], differences)
    generation = check_generation(source, paths, differences)
    parity = differences.report() | ({"generation": generation} if generation else {})
    if not parity["outputs"]:
        raise ConversionError("nothing was compared with PyTorch")
    return {
        "parity": parity,
        "export_ns": exported_ns - started_ns,
        "check_ns": clock.now_ns() - exported_ns,
    }


if __name__ == "__main__":
    sys.exit(main())
