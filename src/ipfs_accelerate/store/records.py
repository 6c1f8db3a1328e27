"""Rows as the rest of the product hands them to the ledger; plain data, JSON-serialisable."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = [
    "AvailabilityRecord",
    "CaseStatus",
    "CompatibilityRecord",
    "HardwareRecord",
    "MeasurementRecord",
    "ModelRecord",
    "RunRecord",
]


def _key(*parts: object) -> str:
    return hashlib.sha256("\x1f".join(str(p) for p in parts).encode()).hexdigest()[:32]


_noun_key = lru_cache(maxsize=4096)(_key)  # few models and devices, asked for with every result


class CaseStatus(StrEnum):
    """How a case ended; the three error classes are the published ones."""

    OK = "ok"
    TIMEOUT = "timeout"
    EXECUTION_ERROR = "execution_error"
    UNEXPECTED_ERROR = "unexpected_error"
    UNAVAILABLE = "unavailable"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A row of ``models``: one version of one model.

    Attributes:
        model_name: Reference as the user wrote it, normalised.
        version: Artifact identity (sha256 over the manifest).
        model_family: Family name.
        modality: Modality name.
        source: Scheme of the reference.
        architecture: Class name; ``None`` when unknown.
        parameters_million: Weights / 1e6; ``None`` when unknown.
        metadata: Provenance, task, ``weights`` (``trained`` or ``random(seed=N)``), formats.
    """

    model_name: str
    version: str
    model_family: str
    modality: str
    source: str
    architecture: str | None = None
    parameters_million: float | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)

    @property
    def model_id(self) -> str:
        """Primary key."""
        return _noun_key("model", self.model_name, self.version)


@dataclass(frozen=True, slots=True)
class HardwareRecord:
    """A row of ``hardware_platforms``: one device of one machine with one driver.

    Attributes:
        hardware_type: Device kind (``cpu``, ``cuda``, …).
        device_id: Device id used in targets.
        device_name: Vendor's name.
        platform: Operating system and architecture.
        platform_version: Kernel or OS version.
        driver_version: ``None`` when there is none.
        memory_gb: GiB a model can take; ``None`` when unknown.
        compute_units: Cores or multiprocessors usable; ``None`` when unknown.
        host: Name of the machine.
        metadata: Features, precisions, caches, limits.
    """

    hardware_type: str
    device_id: str
    device_name: str
    platform: str
    platform_version: str
    host: str
    driver_version: str | None = None
    memory_gb: float | None = None
    compute_units: int | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)

    @property
    def hardware_id(self) -> str:
        """Primary key."""
        return _noun_key(
            "hardware",
            self.host,
            self.device_id,
            self.device_name,
            self.platform,
            self.platform_version,
            self.driver_version,
        )


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A row of ``test_runs``: one invocation that produced results.

    Attributes:
        run_id: Unique id (UUID hex).
        test_name: What was run, e.g. ``bench run``.
        test_type: ``performance``, ``compatibility``, ``integration`` or ``web_platform``.
        started_at: UTC.
        completed_at: UTC; ``None`` while it runs or when it was killed.
        success: ``None`` while it runs; whether every case ended ``ok``.
        git_commit: Of the working directory; ``None`` outside a repository.
        git_branch: Likewise.
        command_line: As typed.
        metadata: Product version, settings, machine facts.
    """

    run_id: str
    test_name: str
    test_type: str
    started_at: datetime
    completed_at: datetime | None = None
    success: bool | None = None
    git_commit: str | None = None
    git_branch: str | None = None
    command_line: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MeasurementRecord:
    """A row of ``performance_results`` with its raw samples.

    A case that failed is a row too: ``status`` names the class, ``error`` holds command, exit
    code, stdout, stderr and the error's machine-readable form; its numbers are ``None``.

    Attributes:
        run_id: The run it belongs to.
        model: Its model.
        hardware: Its device.
        target: Target as a string.
        test_case: Workload name, e.g. ``feature-extraction/b1/s128``.
        task: Pipeline tag.
        batch_size: Items per call.
        shapes: Further sizes: ``sequence``, ``image``, ``audio_seconds``, ``new_tokens``.
        precision: Precision asked for.
        executed_precision: Precision read back from the runtime; ``None`` when it never loaded.
        origin: How the numbers came to be.
        origin_reason: Why they are not measured; required unless ``origin`` is ``measured``.
        status: How the case ended.
        created_at: UTC.
        samples_ns: Raw latency of every counted call, in order; empty for a failed case.
        warmup_ns: Raw latency of the calls before the steady state, in order.
        latency_p50_ns: Median of ``samples_ns``.
        latency_low_ns: Lower end of the confidence interval of the median.
        latency_high_ns: Upper end.
        confidence: Level of that interval, e.g. 0.95.
        throughput_items_per_s: Batch size over mean latency.
        tokens_per_s: Generated or processed tokens per second where the task has tokens.
        load_ns: Time to load.
        first_inference_ns: Latency of the very first call.
        peak_memory_bytes: Highest resident memory of the case's process tree.
        cpu_time_ns: Process CPU time over the counted calls.
        energy_j: Energy over the counted calls; ``None`` when not measurable.
        parity: Difference to the reference: ``max_abs``, ``max_rel``, ``cosine``,
            ``reference``, ``ok``.
        placement: Device → count of nodes.
        flags: Names of doubts: ``interference``, ``throttled``, ``above_roofline``,
            ``wide_interval``…
        environment: Versions, threads, load before and after, clock, NULL reasons.
        error: Facts about a failure.
        latency_mean_ns: Mean of ``samples_ns``, computed when it is written; of an imported row
            what its file said; likewise ``total_ns``, ``iterations`` and ``warmup_iterations``.
        total_ns: Sum of ``samples_ns``.
        iterations: Count of ``samples_ns``.
        warmup_iterations: Count of ``warmup_ns``.
        metrics: Further named values of this row (the published ``metrics`` column).
        imported_key: Primary key of an imported row, which may repeat a case within its run.
    """

    run_id: str
    model: ModelRecord
    hardware: HardwareRecord
    target: str
    test_case: str
    task: str
    batch_size: int
    shapes: Mapping[str, int]
    precision: str
    origin: Origin
    status: CaseStatus
    created_at: datetime
    executed_precision: str | None = None
    origin_reason: str | None = None
    samples_ns: tuple[int, ...] = ()
    warmup_ns: tuple[int, ...] = ()
    latency_p50_ns: int | None = None
    latency_low_ns: int | None = None
    latency_high_ns: int | None = None
    confidence: float | None = None
    throughput_items_per_s: float | None = None
    tokens_per_s: float | None = None
    load_ns: int | None = None
    first_inference_ns: int | None = None
    peak_memory_bytes: int | None = None
    cpu_time_ns: int | None = None
    energy_j: float | None = None
    parity: Mapping[str, object] | None = None
    placement: Mapping[str, object] | None = None
    flags: tuple[str, ...] = ()
    environment: Mapping[str, object] = field(default_factory=dict)
    error: Mapping[str, object] | None = None
    latency_mean_ns: int | None = None
    total_ns: int | None = None
    iterations: int | None = None
    warmup_iterations: int | None = None
    metrics: Mapping[str, object] = field(default_factory=dict)
    imported_key: str | None = None

    def __post_init__(self) -> None:
        if self.origin is not Origin.MEASURED and not self.origin_reason:
            raise ValueError(f"a row of origin {self.origin.value!r} needs a reason")

    @property
    def result_id(self) -> str:
        """Primary key: one result per run, model, target and case."""
        if self.imported_key is not None:
            return self.imported_key
        return _key("result", self.run_id, self.model.model_id, self.target, self.test_case)

    @property
    def is_simulated(self) -> bool:
        """The published column: true unless the named device produced the numbers."""
        return not self.origin.is_real


@dataclass(frozen=True, slots=True)
class AvailabilityRecord:
    """A row of ``hardware_availability_log``: what a probe found.

    Attributes:
        hardware: The device, present or not.
        is_available: Whether it could be used.
        reason: What was found; never empty.
        detected_at: UTC.
        host: Name of the machine that looked.
    """

    hardware: HardwareRecord
    is_available: bool
    reason: str
    detected_at: datetime
    host: str

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("an availability row needs a reason")

    @property
    def log_id(self) -> str:
        """Primary key: one finding per device, machine and moment."""
        moment = self.detected_at.isoformat()
        return _key("availability", self.hardware.hardware_id, self.host, moment)


@dataclass(frozen=True, slots=True)
class CompatibilityRecord:
    """A row of ``hardware_compatibility``: whether a model works on a target.

    Attributes:
        run_id: The run it belongs to.
        model: Its model.
        hardware: Its device.
        target: Target as a string.
        is_compatible: Whether it ran and its result was right.
        detection_success: Whether the device was found usable.
        initialization_success: Whether the model loaded there.
        origin: How the verdict came to be.
        created_at: UTC.
        origin_reason: Why it is not measured; required unless ``origin`` is ``measured``.
        error_message: What went wrong; ``None`` when compatible.
        error_type: Stable code of the error.
        suggested_fix: What would change the verdict.
        workaround_available: Whether another target of the device works; ``None`` when not tried.
        compatibility_score: 0..1, where something computed one.
        metadata: Further facts.
    """

    run_id: str
    model: ModelRecord
    hardware: HardwareRecord
    target: str
    is_compatible: bool
    detection_success: bool
    initialization_success: bool
    origin: Origin
    created_at: datetime
    origin_reason: str | None = None
    error_message: str | None = None
    error_type: str | None = None
    suggested_fix: str | None = None
    workaround_available: bool | None = None
    compatibility_score: float | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.origin is not Origin.MEASURED and not self.origin_reason:
            raise ValueError(f"a row of origin {self.origin.value!r} needs a reason")

    @property
    def compatibility_id(self) -> str:
        """Primary key: one verdict per run, model, device and target."""
        keys = (self.model.model_id, self.hardware.hardware_id)
        return _key("compatibility", self.run_id, *keys, self.target)
