"""The one place that imports PyTorch, and how it names and waits for devices."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from typing import Any

from ipfs_accelerate.hardware import Support

__all__ = ["backend_support", "installed", "library", "probe", "synchronize", "torch_name"]

_ERRORS_ONLY = "6"  # the profiler's library reports each start and stop on stderr otherwise
_INSTALL = "pip install 'ipfs-accelerate[torch]'"


@cache
def library() -> Any:  # noqa: ANN401 (an untyped module)
    """The module ``torch``.

    Raises:
        ImportError: It is not installed or does not load.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", _ERRORS_ONLY)
    import torch

    return torch


def installed() -> Support:
    """Whether PyTorch and `transformers` are installed; loads neither, which takes seconds."""
    for name in ("transformers", "torch"):
        if importlib.util.find_spec(name) is None:
            return Support.no(f"{name} is not installed", _INSTALL)
    return Support.yes("installed")


def probe() -> Support:
    """Whether PyTorch and `transformers` are there and PyTorch loads."""
    found = installed()
    if not found.usable:
        return found
    try:
        return Support.yes(f"torch {library().__version__}")
    except (ImportError, OSError) as error:
        return Support.no(f"torch does not load: {error}", _INSTALL)


def torch_name(device_id: str) -> str:
    """PyTorch's name of a device id; ROCm GPUs go by the name of CUDA."""
    kind, _, index = device_id.partition(":")
    kind = "cuda" if kind == "rocm" else kind
    return f"{kind}:{index}" if index else kind


def backend_support(device_id: str) -> Support:
    """Whether this build of PyTorch can use a device that the machine has."""
    kind, _, index = device_id.partition(":")
    if kind == "cpu":
        return Support.yes("ATen and oneDNN kernels")
    torch = library()
    if kind in {"cuda", "rocm"}:
        built = torch.version.cuda if kind == "cuda" else torch.version.hip
        found = torch.cuda.device_count() if built and torch.cuda.is_available() else 0
    elif kind == "xpu":
        built, found = torch.xpu._is_compiled(), torch.xpu.device_count()  # noqa: SLF001
    else:
        built = torch.backends.mps.is_built()
        found = int(torch.backends.mps.is_available())
    if not built:
        return Support.no(
            f"this build of torch ({torch.__version__}) has no {kind}",
            "install the build for it from https://pytorch.org/get-started/locally",
        )
    if int(index or 0) >= found:
        return Support.no(f"torch sees {found} devices of kind {kind}", "check the driver")
    return Support.yes(f"torch sees {device_id}")


def synchronize(device_id: str) -> None:
    """Wait until a device has nothing left to do."""
    kind = torch_name(device_id).partition(":")[0]
    if kind == "cuda":
        library().cuda.synchronize(torch_name(device_id))
    elif kind == "xpu":
        library().xpu.synchronize(torch_name(device_id))
    elif kind == "mps":
        library().mps.synchronize()
