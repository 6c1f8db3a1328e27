"""Qualcomm's Hexagon NPU, used through QNN, and the functional simulator of the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.precision import Precision
from ipfs_accelerate.hardware.soc import Soc, read_soc
from ipfs_accelerate.hardware.system import System
from ipfs_accelerate.plugins import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["find_qualcomm", "find_simulator", "ipfs_accelerate_devices"]

_NODES = (
    "/dev/fastrpc-cdsp",
    "/dev/fastrpc-cdsp-secure",
    "/dev/fastrpc-nsp0",
    "/dev/adsprpc-smd",
    "/dev/cdsprpc-smd",
)
_LIBRARIES = ("libQnnHtp.so",)
# Generation of the tensor processor. Source: Qualcomm AI Engine Direct SDK, "Supported Snapdragon
# devices"; floating point came with v69, 4-bit weights with v73.
_GENERATIONS = {
    "SM8350": 68,
    "SC8280XP": 68,
    "QCS6490": 68,
    "SM8450": 69,
    "SM8475": 69,
    "SM8550": 73,
    "X1E80100": 73,
    "SC8380XP": 73,
    "SM8650": 75,
    "SM8750": 79,
}
_EXTRA_INSTALL = "pip install onnxruntime-qnn"


@hookimpl
def ipfs_accelerate_devices() -> list[Device]:
    """The Hexagon NPU of this machine and its simulator."""
    system = System.local()
    return [find_qualcomm(system), find_simulator(system)]


def find_qualcomm(system: System) -> Device:
    """The NPU, or an entry that says why it cannot be used."""
    soc = _snapdragon(system)
    generation = _GENERATIONS.get(soc.model or "") if soc else None
    support = _support(system, soc)
    return Device(
        id="qnn",
        kind=DeviceKind.QNN,
        name=f"Qualcomm {soc.model or 'Snapdragon'} Hexagon" if soc else "Qualcomm Hexagon NPU",
        support=_with_mock_note(system, support),
        precisions=_precisions(generation) if soc else frozenset(),
        features=frozenset({f"htp_v{generation}"} if generation else ()),
        details={"soc": soc.model, "soc_source": soc.source} if soc else {},
    )


def find_simulator(system: System) -> Device:
    """QNN's simulator on a PC: functional only, its times say nothing about the NPU."""
    package = system.find_package("onnxruntime_qnn")
    library = _simulator_library(package) if package and not system.is_arm else None
    support = (
        Support.yes("computes QNN's results on the CPU: functional only, never a latency")
        if library
        else Support.no("the QNN simulator is not installed", _EXTRA_INSTALL)
    )
    return Device(
        id="qnn-simulator",
        kind=DeviceKind.EMULATOR,
        name="QNN HTP simulator",
        support=support,
        precisions=frozenset({Precision.INT8, Precision.FP16}) if library else frozenset(),
        details={"library": str(library), "emulates": "qnn"} if library else {},
    )


def _snapdragon(system: System) -> Soc | None:
    if system.os_name == "Windows" and system.is_arm:
        name = system.environ.get("PROCESSOR_IDENTIFIER", "")
        return Soc("qualcomm", None, "PROCESSOR_IDENTIFIER") if "Qualcomm" in name else None
    soc = read_soc(system)
    return soc if soc and soc.vendor == "qualcomm" else None


def _support(system: System, soc: Soc | None) -> Support:
    if soc is None:
        return Support.no(
            f"no Snapdragon: this is {system.os_name} on {system.machine}",
            "needs a device with a Snapdragon processor",
        )
    if system.is_linux and not any(system.exists(node) for node in _NODES):
        return Support.no("no FastRPC node (/dev/fastrpc-cdsp)", "enable FastRPC in the kernel")
    node = system.first_usable(_NODES)
    if system.is_linux and node is None:
        return Support.no(
            "this user may not open the FastRPC node",
            "sudo usermod -aG fastrpc $USER, log in again",
        )
    library = _library(system)
    if library is None:
        return Support.no("libQnnHtp.so is not installed", f"{_EXTRA_INSTALL} or set QNN_SDK_ROOT")
    return Support.yes(f"{node or 'Windows driver'} with {library}")


def _library(system: System) -> str | None:
    sdk = system.environ.get("QNN_SDK_ROOT")
    if sdk:
        found = system.glob(f"{sdk}/lib/aarch64*/libQnnHtp.so")
        if found:
            return found[0]
    package = system.find_package("onnxruntime_qnn")
    inside = sorted(package.rglob("*QnnHtp.*")) if package else []
    return str(inside[0]) if inside else system.find_library(*_LIBRARIES)


def _simulator_library(package: Path) -> Path | None:
    return next(iter(sorted(package.rglob("libQnnHtp.so"))), None)


def _precisions(generation: int | None) -> frozenset[Precision]:
    """Integers always; what the generation adds, where it is known."""
    native = {Precision.INT8}
    if generation and generation >= 69:
        native.add(Precision.FP16)
    if generation and generation >= 73:
        native.add(Precision.INT4)
    return frozenset(native)


def _with_mock_note(system: System, support: Support) -> Support:
    mock = system.environ.get("QUALCOMM_MOCK")
    if mock is None:
        return support
    note = f"QUALCOMM_MOCK={mock} is ignored, a flag cannot make hardware present"
    return Support(support.usable, f"{support.reason}; {note}", support.hint)
