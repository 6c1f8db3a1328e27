"""Which targets PyTorch has on which devices, and why not the others."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.hardware import DeviceKind, Precision, Support
from ipfs_accelerate.runtimes.torch._library import backend_support

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from ipfs_accelerate.hardware import Device

__all__ = ["COMPILE", "WAYS", "compiler_support", "precision_support", "support_of"]

COMPILE = "compile"
_FP32, _TF32, _BF16, _FP16 = Precision.FP32, Precision.TF32, Precision.BF16, Precision.FP16
_CXX = ("g++", "clang++", "c++")
#: Kind → the precisions of its targets, each eager and compiled.
WAYS = {
    DeviceKind.CPU: (_FP32, _BF16, _FP16),
    DeviceKind.CUDA: (_FP32, _TF32, _BF16, _FP16),
    DeviceKind.ROCM: (_FP32, _BF16, _FP16),
    DeviceKind.MPS: (_FP32, _BF16, _FP16),
    DeviceKind.XPU: (_FP32, _BF16, _FP16),
}


def support_of(device: Device, precision: Precision, *, compiled: bool) -> Support:
    """Whether PyTorch can use a device in a precision."""
    checks = [
        device.support,
        backend_support(device.id) if device.support.usable else device.support,
        precision_support(device.id, precision, device.precisions),
    ]
    if compiled:
        checks.append(compiler_support(device.id))
    refused = next((verdict for verdict in checks if not verdict.usable), None)
    return refused or Support.yes(f"{checks[1].reason}; {checks[-1].reason}")


def precision_support(
    device_id: str, precision: Precision, native: AbstractSet[Precision]
) -> Support:
    """Whether arithmetic of a precision would really be done in it; ``native`` is the device's."""
    if precision is _FP32 or precision in native:
        return Support.yes(f"{precision.value} is native")
    return Support.no(
        f"{device_id} does not multiply {precision.value} natively: torch would convert every"
        " product to fp32",
        f"use torch/{device_id}/fp32",
    )


def compiler_support(device_id: str) -> Support:
    """Whether ``torch.compile`` finds what it needs to build kernels.

    Source: torch/_inductor/cpp_builder.py looks for ``$CXX``, g++ and clang++ and includes
    ``Python.h``; its GPU kernels come from Triton, whose launchers need a C compiler.
    """
    wanted = (os.environ.get("CXX"), *_CXX)
    compiler = next((c for c in wanted if c and shutil.which(c)), None)
    if compiler is None:
        return Support.no("torch.compile finds no C++ compiler", "apt-get install g++")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return Support.no("torch.compile finds no Python.h", "apt-get install python3-dev")
    if device_id.partition(":")[0] == "mps":
        return Support.no("torch.compile is a prototype on MPS", "use eager")
    return Support.yes(f"kernels compiled with {compiler}")
