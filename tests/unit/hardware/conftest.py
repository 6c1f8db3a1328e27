"""Fake machines: folders laid out like another machine's file system, and a fake NVML."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ipfs_accelerate.hardware.system import System


def no_library(name: str) -> object:
    raise OSError(f"{name}: cannot open shared object file")


class FakeMachine:
    """Builds a fake file system; `system` is how a probe sees it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._system = System(
            root=root,
            load_library=no_library,
            find_package=lambda _: None,
            run=lambda _: None,
            may_use=Path.exists,
        )

    def file(self, name: str, content: str | bytes = "") -> FakeMachine:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self

    def files(self, folder: str, **contents: object) -> FakeMachine:
        for name, content in contents.items():
            self.file(f"{folder}/{name}", f"{content}\n")
        return self

    def link(self, name: str, destination: str) -> FakeMachine:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(destination)
        return self

    def pci(self, address: str, ids: str, class_code: str, driver: str | None = None) -> str:
        vendor, device = ids.split(":")
        folder = f"/sys/bus/pci/devices/{address}"
        self.file(f"{folder}/vendor", f"0x{vendor}\n").file(f"{folder}/device", f"0x{device}\n")
        self.file(f"{folder}/class", f"0x{class_code}\n")
        if driver:
            self.link(f"{folder}/driver", f"../../../bus/pci/drivers/{driver}")
        return folder

    def system(self, **changes: Any) -> System:
        return replace(self._system, **changes)


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path / "root")


@dataclass
class FakeGpu:
    """What a fake NVML tells about one GPU; ``None`` is answered with "not supported"."""

    name: str = "NVIDIA H100 80GB HBM3"
    uuid: str = "GPU-11111111-aaaa"
    memory: int = 85_520_809_984
    capability: tuple[int, int] = (9, 0)
    cores: int | None = 16_896
    energy_mj: int | None = 5_000
    celsius: int | None = 41
    power_limit_mw: int | None = 700_000
    open_status: int = 0
    multiprocessors: int | None = None
    instances: list[FakeGpu] = field(default_factory=list)


class FakeNvml:
    """Has NVML's functions and fills in what they are given, as ctypes would."""

    def __init__(self, gpus: list[FakeGpu], *, init_status: int = 0) -> None:
        self._gpus = gpus
        self._handles: dict[int, FakeGpu] = {}
        self._init_status = init_status

    def nvmlInit_v2(self) -> int:  # noqa: N802 (NVML's name, as all below)
        return self._init_status

    def nvmlDeviceGetCount_v2(self, out: Any) -> int:  # noqa: N802
        out._obj.value = len(self._gpus)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, out: Any) -> int:  # noqa: N802
        return self._open(self._gpus[index.value], out)

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Any, out: Any) -> int:  # noqa: N802
        out._obj.value = 7
        return 0

    def nvmlDeviceGetMigDeviceHandleByIndex(  # noqa: N802
        self, handle: Any, index: Any, out: Any
    ) -> int:
        instances = self._gpu(handle).instances
        return self._open(instances[index.value], out) if index.value < len(instances) else 6

    def nvmlDeviceGetMigMode(self, handle: Any, current: Any, pending: Any) -> int:  # noqa: N802
        current._obj.value = pending._obj.value = int(bool(self._gpu(handle).instances))
        return 0

    def nvmlDeviceGetAttributes_v2(self, handle: Any, out: Any) -> int:  # noqa: N802
        out._obj.multiprocessors = self._gpu(handle).multiprocessors or 0
        return 0

    def nvmlSystemGetDriverVersion(self, buffer: Any, size: Any) -> int:  # noqa: N802
        buffer.value = b"550.54.15"
        return 0

    def nvmlSystemGetCudaDriverVersion_v2(self, out: Any) -> int:  # noqa: N802
        out._obj.value = 12_040
        return 0

    def nvmlDeviceGetName(self, handle: Any, buffer: Any, size: Any) -> int:  # noqa: N802
        buffer.value = self._gpu(handle).name.encode()
        return 0

    def nvmlDeviceGetUUID(self, handle: Any, buffer: Any, size: Any) -> int:  # noqa: N802
        buffer.value = self._gpu(handle).uuid.encode()
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, out: Any) -> int:  # noqa: N802
        out._obj.total = self._gpu(handle).memory
        return 0

    def nvmlDeviceGetCudaComputeCapability(  # noqa: N802
        self, handle: Any, major: Any, minor: Any
    ) -> int:
        major._obj.value, minor._obj.value = self._gpu(handle).capability
        return 0

    def nvmlDeviceGetNumGpuCores(self, handle: Any, out: Any) -> int:  # noqa: N802
        return self._answer(out, self._gpu(handle).cores)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: Any, out: Any) -> int:  # noqa: N802
        return self._answer(out, self._gpu(handle).power_limit_mw)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, out: Any) -> int:  # noqa: N802
        return self._answer(out, self._gpu(handle).energy_mj)

    def nvmlDeviceGetTemperature(self, handle: Any, sensor: Any, out: Any) -> int:  # noqa: N802
        return self._answer(out, self._gpu(handle).celsius)

    @staticmethod
    def _answer(out: Any, value: int | None) -> int:
        if value is None:
            return 3
        out._obj.value = value
        return 0

    def _gpu(self, handle: Any) -> FakeGpu:
        return self._handles[handle.value]

    def _open(self, gpu: FakeGpu, out: Any) -> int:
        if gpu.open_status == 0:
            self._handles[id(gpu)] = gpu
            out._obj.value = id(gpu)
        return gpu.open_status


@pytest.fixture
def fake_nvml() -> type[FakeNvml]:
    return FakeNvml


@pytest.fixture
def fake_gpu() -> type[FakeGpu]:
    return FakeGpu
