"""From a verified folder or file to an artifact."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ipfs_accelerate.models.artifact import (
    COMPONENT_STEMS,
    Component,
    ModelArtifact,
    Provenance,
    TensorSpec,
)
from ipfs_accelerate.models.families import classify
from ipfs_accelerate.models.verification import load_json_object, verify_directory, verify_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.models.manifest import Expected, FactCache
    from ipfs_accelerate.models.reference import ModelRef
    from ipfs_accelerate.models.verification import FileCheck, VerificationReport

__all__ = ["artifact_from_report", "report_on"]

#: Marker beside weights that nobody trained.
WEIGHTS_MARKER = "weights.json"


def report_on(
    path: Path,
    *,
    cache: FactCache,
    expected: Mapping[str, Expected] | None = None,
    is_full: bool = False,
    allow_pickle: bool = False,
) -> VerificationReport:
    """Verify a folder or a file; see `verification.verify_directory`."""
    if path.is_dir():
        return verify_directory(
            path, cache=cache, expected=expected, is_full=is_full, allow_pickle=allow_pickle
        )
    return verify_file(path, cache=cache, is_full=is_full, allow_pickle=allow_pickle)


def artifact_from_report(
    ref: ModelRef, report: VerificationReport, *, provenance: Provenance, task: str | None = None
) -> ModelArtifact:
    """Describe a verified model.

    Args:
        ref: What was asked for.
        report: Its verification.
        provenance: How the files came to be.
        task: Pipeline tag its source states; it wins over what the class name says.

    Raises:
        ModelError: The report has problems.
    """
    report.raise_first()
    verified = {f.path for f in report.files}
    config = load_json_object(report.directory / "config.json") if "config.json" in verified else {}
    components = _components(report)
    first = next(iter(components.values()), None)
    found = classify(
        config,
        name=ref.name,
        files=[f.path for f in report.files],
        task=task or _task_of_files(verified),
        graph_inputs=[spec.name for spec in first.inputs] if first else (),
    )
    names = config.get("architectures")
    random = _random_weights(report.directory)
    return ModelArtifact(
        ref=ref,
        directory=report.directory,
        files=report.manifest(),
        formats=report.formats,
        task=found.task,
        family=found.family,
        modality=found.modality,
        model_type=str(config["model_type"]) if "model_type" in config else None,
        architecture=str(names[0]) if isinstance(names, list) and names else None,
        parameters=_parameters(report),
        weights=random or "trained",
        config=config,
        components=components,
        provenance=Provenance("random_weights", str(ref), provenance.settings)
        if random
        else provenance,
    )


def _task_of_files(paths: set[str]) -> str | None:
    return "feature-extraction" if "1_Pooling/config.json" in paths else None


def _random_weights(directory: Path) -> str | None:
    marker = load_json_object(directory / WEIGHTS_MARKER)
    value = marker.get("weights")
    return value if isinstance(value, str) and value.startswith("random(") else None


def _parameters(report: VerificationReport) -> int | None:
    """Counted from the weights of one format: every format holds the same model."""
    for kind in ("safetensors", "onnx"):
        counts = [
            int(str((f.facts or {})["parameters"]))
            for f in _of_kind(report, kind)
            if "parameters" in (f.facts or {})
        ]
        if counts:
            return sum(counts)
    return None


def _of_kind(report: VerificationReport, kind: str) -> list[FileCheck]:
    return [f for f in report.files if f.kind == kind]


def _components(report: VerificationReport) -> dict[str, Component]:
    graphs = _of_kind(report, "onnx")
    if len(graphs) == 1:
        return {"model": _component("model", report.directory, graphs[0])}
    found: dict[str, Component] = {}
    for stem, name in COMPONENT_STEMS.items():
        for graph in graphs:
            if PurePosixPath(graph.path).stem == stem and name not in found:
                found[name] = _component(name, report.directory, graph)
    return found


def _component(name: str, directory: Path, check: FileCheck) -> Component:
    facts = check.facts or {}
    return Component(
        name, directory / check.path, _specs(facts.get("inputs")), _specs(facts.get("outputs"))
    )


def _specs(rows: object) -> tuple[TensorSpec, ...]:
    assert isinstance(rows, list)
    return tuple(TensorSpec(str(name), str(dtype), tuple(shape)) for name, dtype, shape in rows)
