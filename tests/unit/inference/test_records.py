"""Rows of the ledger made from models and devices."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from ipfs_accelerate.hardware import Device, DeviceKind, Precision, Support
from ipfs_accelerate.inference import hardware_record, model_record
from ipfs_accelerate.models import (
    Family,
    ManifestFile,
    Modality,
    ModelArtifact,
    ModelRef,
    Provenance,
    Scheme,
)


def artifact(**changes: object) -> ModelArtifact:
    made = ModelArtifact(
        ref=ModelRef(Scheme.HUB, "org/name", revision="v1"),
        directory=Path("/nowhere"),
        files=(ManifestFile("model.safetensors", 10, "ab"),),
        formats=frozenset({"safetensors"}),
        task="feature-extraction",
        family=Family.EMBEDDING,
        modality=Modality.TEXT,
        model_type="bert",
        architecture="BertModel",
        parameters=22_713_216,
        weights="trained",
        config={},
        components={},
        provenance=Provenance("downloaded", settings={"etag": "x"}),
    )
    return replace(made, **changes)


def device(**changes: object) -> Device:
    made = Device(
        "cpu",
        DeviceKind.CPU,
        "Some CPU",
        Support.yes("present"),
        memory_bytes=4 * 2**30,
        compute_units=2,
        precisions=frozenset({Precision.FP32}),
        features=frozenset({"avx2"}),
    )
    return replace(made, **changes)


def test_a_model_row_carries_identity_reference_and_provenance():
    row = model_record(artifact())
    assert row.version == artifact().identity
    assert row.model_name == "org/name@v1"
    assert row.parameters_million == 22.713216
    assert row.metadata["weights"] == "trained"
    assert json.loads(json.dumps(row.metadata))["provenance"]["settings"] == {"etag": "x"}


def test_unknown_parameter_count_stays_unknown():
    assert model_record(artifact(parameters=None)).parameters_million is None


def test_other_files_make_another_model_key():
    other = artifact(files=(ManifestFile("model.safetensors", 10, "cd"),))
    assert model_record(other).model_id != model_record(artifact()).model_id


def test_a_hardware_row_converts_units_and_keeps_unknown_as_none():
    assert hardware_record(device()).memory_gb == 4.0
    assert hardware_record(device(memory_bytes=None)).memory_gb is None


def test_a_new_driver_is_another_platform():
    keys = {hardware_record(device(driver=d)).hardware_id for d in (None, "1.0", "1.1")}
    assert len(keys) == 3
