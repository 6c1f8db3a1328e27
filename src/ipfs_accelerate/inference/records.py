"""Turns the nouns of models and hardware into rows of the ledger.

The store knows neither noun, so the translation lives in the lowest layer that knows both.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from ipfs_accelerate.store import HardwareRecord, ModelRecord

if TYPE_CHECKING:
    from ipfs_accelerate.hardware import Device
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["hardware_record", "model_record"]


def model_record(artifact: ModelArtifact) -> ModelRecord:
    """The row of ``models`` for an artifact; equal files under one reference give one key."""
    provenance = artifact.provenance
    return ModelRecord(
        model_name=str(artifact.ref),
        version=artifact.identity,
        model_family=artifact.family.value,
        modality=artifact.modality.value,
        source=artifact.ref.scheme.value,
        architecture=artifact.architecture,
        parameters_million=None if artifact.parameters is None else artifact.parameters / 1e6,
        metadata={
            "task": artifact.task,
            "weights": artifact.weights,
            "formats": sorted(artifact.formats),
            "model_type": artifact.model_type,
            "weights_bytes": artifact.weights_bytes,
            "provenance": {
                "kind": provenance.kind,
                "source": provenance.source,
                "settings": dict(provenance.settings),
                "parity": None if provenance.parity is None else dict(provenance.parity),
            },
        },
    )


def hardware_record(device: Device) -> HardwareRecord:
    """The row of ``hardware_platforms`` for a device of this machine."""
    memory = device.memory_bytes
    return HardwareRecord(
        hardware_type=device.kind.value,
        device_id=device.id,
        device_name=device.name,
        platform=f"{platform.system()} {platform.machine()}",
        platform_version=platform.release(),
        host=platform.node(),
        driver_version=device.driver,
        memory_gb=None if memory is None else memory / 2**30,
        compute_units=device.compute_units,
        metadata={
            "features": sorted(device.features),
            "precisions": sorted(p.value for p in device.precisions),
            "details": dict(device.details),
        },
    )
