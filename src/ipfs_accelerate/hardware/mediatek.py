"""MediaTek's APU, used through NeuroPilot."""

from __future__ import annotations

from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.precision import Precision
from ipfs_accelerate.hardware.soc import read_soc
from ipfs_accelerate.hardware.system import System
from ipfs_accelerate.plugins import hookimpl

__all__ = ["find_mediatek", "ipfs_accelerate_devices"]

_NODES = ("/dev/apusys", "/dev/apu0", "/dev/vpu", "/dev/mdla0")
_LIBRARIES = (
    "libneuron_adapter.mgvi.so",
    "libneuronusdk_adapter.mtk.so",
    "libneuron_adapter.so",
    "libneuron_runtime.so",
)


@hookimpl
def ipfs_accelerate_devices() -> list[Device]:
    """The APU of this machine."""
    return [find_mediatek(System.local())]


def find_mediatek(system: System) -> Device:
    """The APU, or an entry that says why it cannot be used."""
    soc = read_soc(system)
    if soc is None or soc.vendor != "mediatek":
        support = Support.no(
            f"no MediaTek chip: this is {system.os_name} on {system.machine}",
            "needs a device with a Dimensity, Helio or Genio processor",
        )
        return Device("apu", DeviceKind.MEDIATEK, "MediaTek APU", support)
    return Device(
        id="apu",
        kind=DeviceKind.MEDIATEK,
        name=f"MediaTek {soc.model or 'SoC'} APU",
        support=_support(system),
        precisions=frozenset({Precision.INT8, Precision.FP16}),
        details={"soc": soc.model, "soc_source": soc.source},
    )


def _support(system: System) -> Support:
    if not any(system.exists(node) for node in _NODES):
        return Support.no("no APU node (/dev/apusys)", "enable the APU driver in the kernel")
    node = system.first_usable(_NODES)
    if node is None:
        return Support.no("this user may not open the APU node", "run as a user of its group")
    library = system.find_library(*_LIBRARIES)
    if library is None:
        return Support.no("no NeuroPilot library", "install MediaTek's NeuroPilot SDK")
    return Support.yes(f"{node} with {library}")
