"""Name and instruction sets of the processor, from whatever this operating system tells."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.hardware.instruction_sets import known_features

if TYPE_CHECKING:
    from ipfs_accelerate.hardware.system import System

__all__ = ["Processor", "read_processor"]

# (implementer, part) of MIDR_EL1 → name. Source: util-linux sys-utils/lscpu-arm.c.
_IMPLEMENTERS = {
    0x41: "Arm",
    0x48: "HiSilicon",
    0x4E: "NVIDIA",
    0x51: "Qualcomm",
    0x61: "Apple",
    0xC0: "Ampere",
}
_PARTS = {
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD04): "Cortex-A35",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD09): "Cortex-A73",
    (0x41, 0xD0A): "Cortex-A75",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD0D): "Cortex-A77",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD41): "Cortex-A78",
    (0x41, 0xD44): "Cortex-X1",
    (0x41, 0xD46): "Cortex-A510",
    (0x41, 0xD47): "Cortex-A710",
    (0x41, 0xD48): "Cortex-X2",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4D): "Cortex-A715",
    (0x41, 0xD4E): "Cortex-X3",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x41, 0xD80): "Cortex-A520",
    (0x41, 0xD81): "Cortex-A720",
    (0x41, 0xD82): "Cortex-X4",
    (0x41, 0xD84): "Neoverse-V3",
    (0x41, 0xD85): "Cortex-X925",
    (0x41, 0xD87): "Cortex-A725",
    (0x48, 0xD01): "Kunpeng-920",
    (0x51, 0x001): "Oryon",
    (0x61, 0x022): "Icestorm (M1)",
    (0x61, 0x023): "Firestorm (M1)",
    (0x61, 0x032): "Blizzard (M2)",
    (0x61, 0x033): "Avalanche (M2)",
    (0xC0, 0xAC3): "Ampere-1",
}


@dataclass(frozen=True, slots=True)
class Processor:
    """The processor as a whole.

    Attributes:
        name: Vendor's name; the instruction set's name where nothing better is told.
        features: Instruction sets that every core has, under `known_features`' spelling.
        logical_cpus: Logical processors of the machine.
        physical_cores: ``None`` where another source has to be asked.
        memory_bytes: Memory of the machine; ``None`` when unknown.
        is_virtual: Whether a hypervisor announced itself.
        gap: What could not be read, for people; ``None`` when all was there.
    """

    name: str
    features: frozenset[str]
    logical_cpus: int
    physical_cores: int | None = None
    memory_bytes: int | None = None
    is_virtual: bool = False
    gap: str | None = None


def read_processor(system: System) -> Processor:
    """Ask this operating system; unreadable parts end in `Processor.gap`, never in an error."""
    if system.is_linux:
        return _linux(system)
    if system.os_name == "Darwin":
        return _darwin(system)
    return _other(system)


def _linux(system: System) -> Processor:
    cores = _cpuinfo(system)
    flags = [set(_flags(core).split()) for core in cores if _flags(core)]
    common = set.intersection(*flags) if flags else set()
    memory = re.search(r"^MemTotal:\s*(\d+) kB", system.read("/proc/meminfo") or "", re.MULTILINE)
    return Processor(
        name=_linux_name(system, cores),
        features=known_features(common),
        logical_cpus=len(cores) or len(system.affinity or ()) or 1,
        memory_bytes=int(memory[1]) * 1024 if memory else None,
        is_virtual="hypervisor" in common,
        gap=None if flags else "no instruction sets in /proc/cpuinfo",
    )


def _cpuinfo(system: System) -> list[dict[str, str]]:
    """One dictionary per logical processor, keys in lower case."""
    blocks = re.split(r"\n\s*\n", system.read("/proc/cpuinfo") or "")
    parsed = [
        {key.strip().lower(): value.strip() for key, _, value in pairs}
        for block in blocks
        if (pairs := [line.partition(":") for line in block.splitlines() if ":" in line])
    ]
    return [core for core in parsed if core.get("processor", "").isdigit()]


def _flags(core: dict[str, str]) -> str:
    return core.get("flags") or core.get("features") or ""


def _linux_name(system: System, cores: list[dict[str, str]]) -> str:
    named = next((core["model name"] for core in cores if core.get("model name")), None)
    if named and not (system.is_arm and named.startswith("ARMv")):
        return " ".join(named.split())
    counts = Counter(name for core in cores if (name := _arm_name(core)))
    if not counts:
        return named or f"{system.machine} processor"
    if len(counts) == 1:
        return next(iter(counts))
    return " + ".join(f"{count}× {name}" for name, count in counts.most_common())


def _arm_name(core: dict[str, str]) -> str | None:
    try:
        implementer = int(core["cpu implementer"], 16)
        part = int(core["cpu part"], 16)
    except (KeyError, ValueError):
        return None
    vendor = _IMPLEMENTERS.get(implementer, f"implementer 0x{implementer:02x}")
    return f"{vendor} {_PARTS.get((implementer, part), f'part 0x{part:03x}')}"


def _darwin(system: System) -> Processor:
    output = system.run(("/usr/sbin/sysctl", "machdep.cpu", "hw", "kern.hv_vmm_present"))
    lines = (line.partition(":") for line in (output or "").splitlines())
    facts = {key.strip(): value.strip() for key, found, value in lines if found}
    names = {key.rpartition(".")[2] for key, value in facts.items() if value == "1"}
    for key in ("machdep.cpu.features", "machdep.cpu.leaf7_features"):
        names |= set(facts.get(key, "").split())
    return Processor(
        name=facts.get("machdep.cpu.brand_string") or f"{system.machine} processor",
        features=known_features(names),
        logical_cpus=_positive(facts.get("hw.logicalcpu")) or 1,
        physical_cores=_positive(facts.get("hw.physicalcpu")),
        memory_bytes=_positive(facts.get("hw.memsize")),
        is_virtual=facts.get("kern.hv_vmm_present") == "1",
        gap=None if facts else "sysctl gave no answer",
    )


def _other(system: System) -> Processor:
    import os

    return Processor(
        name=system.environ.get("PROCESSOR_IDENTIFIER") or f"{system.machine} processor",
        features=frozenset(),
        logical_cpus=os.cpu_count() or 1,
        gap=f"instruction sets are not read on {system.os_name or 'this system'}",
    )


def _positive(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() and int(text) > 0 else None
