"""The NPU of Samsung's Exynos, used through ENN."""

from __future__ import annotations

from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.precision import Precision
from ipfs_accelerate.hardware.soc import read_soc
from ipfs_accelerate.hardware.system import System
from ipfs_accelerate.plugins import hookimpl

__all__ = ["find_samsung", "ipfs_accelerate_devices"]

_NODES = "/dev/vertex*"
_LIBRARIES = ("libenn_public_api_cpp.so", "libenn_public_api.so", "libeden_nn_on_system.so")


@hookimpl
def ipfs_accelerate_devices() -> list[Device]:
    """The Exynos NPU of this machine."""
    return [find_samsung(System.local())]


def find_samsung(system: System) -> Device:
    """The NPU, or an entry that says why it cannot be used."""
    soc = read_soc(system)
    if soc is None or soc.vendor != "samsung":
        support = Support.no(
            f"no Exynos: this is {system.os_name} on {system.machine}",
            "needs a device with an Exynos processor",
        )
        return Device("exynos", DeviceKind.EXYNOS, "Samsung Exynos NPU", support)
    return Device(
        id="exynos",
        kind=DeviceKind.EXYNOS,
        name=f"Samsung {(soc.model or 'Exynos').capitalize()} NPU",
        support=_support(system),
        precisions=frozenset({Precision.INT8, Precision.FP16}),
        details={"soc": soc.model, "soc_source": soc.source},
    )


def _support(system: System) -> Support:
    nodes = system.glob(_NODES)
    if not nodes:
        return Support.no(f"no NPU node ({_NODES})", "enable the NPU driver in the kernel")
    node = system.first_usable(nodes)
    if node is None:
        return Support.no(f"this user may not open {nodes[0]}", "run as a user of its group")
    library = system.find_library(*_LIBRARIES)
    if library is None:
        return Support.no("no ENN library", "install Samsung's Exynos AI Studio runtime")
    return Support.yes(f"{node} with {library}")
