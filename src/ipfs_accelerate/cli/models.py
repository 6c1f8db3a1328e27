"""``accel models``: verify, describe, classify, fetch, convert and list models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.output import emit_json, json_option, note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.models import Classification, ModelArtifact, VerificationReport
    from ipfs_accelerate.models.registry import RegisteredModel, Registration

__all__ = ["command"]

pickle_option = click.option(
    "--allow-pickle", is_flag=True, help="Use pickled weights; reading them can run any code."
)
db_option = click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Ledger file; BENCHMARK_DB_PATH or the setting db_path otherwise.",
)


@click.group()
def command() -> None:
    """Verify, describe, convert and list models.

    REF is a hub id, a directory, a file, ipfs://CID, s3://bucket/key or random://architecture.
    """


@command.command(epilog="Example: accel models verify ./all-MiniLM-L6-v2 --json")
@click.argument("ref")
@pickle_option
@click.option("--cached", is_flag=True, help="Trust hashes of files that did not change since.")
@json_option
@click.pass_context
def verify(
    ctx: click.Context, /, *, ref: str, allow_pickle: bool, cached: bool, as_json: bool
) -> None:
    """Check every file of REF; exit with 1 when one must not be used."""
    from ipfs_accelerate.models import verify as verify_model

    report = verify_model(ref, is_full=not cached, allow_pickle=allow_pickle)
    if as_json:
        emit_json("models-verify/1", {"ref": ref, **_report_facts(report)})
    else:
        _print_report(report)
    ctx.exit(0 if report.is_ok else 1)


@command.command(epilog="Example: accel models show sentence-transformers/all-MiniLM-L6-v2")
@click.argument("ref")
@pickle_option
@json_option
def show(ref: str, *, allow_pickle: bool, as_json: bool) -> None:
    """Resolve REF, verify it and say what it is."""
    from ipfs_accelerate.models import resolve

    _emit_artifact(resolve(ref, allow_pickle=allow_pickle), as_json=as_json)


@command.command(epilog="Example: accel models fetch google-bert/bert-base-uncased@main")
@click.argument("ref")
@pickle_option
@db_option
@json_option
def fetch(ref: str, *, allow_pickle: bool, db: Path | None, as_json: bool) -> None:
    """Bring REF to this machine, verify it and note its version in the ledger."""
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.models import resolve

    settings = load_settings({"db_path": db})
    artifact = resolve(ref, settings=settings, allow_pickle=allow_pickle)
    registration = _register(artifact, settings)
    _emit_artifact(artifact, as_json=as_json, registration=registration)


@command.command(epilog="Example: accel models classify ./my-model --json | jq .evidence")
@click.argument("ref")
@json_option
def classify(ref: str, *, as_json: bool) -> None:
    """Say which family REF belongs to, on which evidence.

    REF may also be the name of a model type or class: whisper, LlamaForCausalLM.
    """
    found = _classification(ref)
    if as_json:
        emit_json("models-classify/1", {"ref": ref, **_classification_facts(found)})
        return
    print(f"{found.family.value} / {found.subfamily} ({found.modality.value})")
    print(f"task        {found.task or 'unknown'}")
    print(f"confidence  {found.confidence:.2f}")
    for entry in found.evidence:
        print(f"  {entry.weight:.2f} {entry.source:<22} {entry.family.value:<16} {entry.says}")


@command.command(name="list", epilog="Example: accel models list --family embedding")
@click.option("--family", help="Only models of this family.")
@db_option
@json_option
def list_models(*, family: str | None, db: Path | None, as_json: bool) -> None:
    """List the models in the ledger, each in its newest version."""
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.models import registry
    from ipfs_accelerate.store import Ledger

    path = load_settings({"db_path": db}).ledger_path
    found: list[RegisteredModel] = []
    if path.exists():
        with Ledger(path, read_only=True) as ledger:
            found = registry.models(ledger, family=family)
    if as_json:
        emit_json("models-list/1", {"models": [model.to_dict() for model in found]})
        return
    for model in found:
        size = "?" if model.parameters_million is None else f"{model.parameters_million:.1f} M"
        print(f"{model.model_name}  {model.model_family}  {size}  {model.version[:12]}")
    if not found:
        note(f"no models in {path}; add one: accel models fetch REF")


@command.command(epilog="Example: accel models annotate org/name licence=apache-2.0 owner=me")
@click.argument("name")
@click.argument("notes", nargs=-1, required=True, metavar="KEY=VALUE...")
@db_option
@json_option
def annotate(name: str, *, notes: tuple[str, ...], db: Path | None, as_json: bool) -> None:
    """Note KEY=VALUE about the newest version of a model; KEY= removes the note."""
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.models import registry
    from ipfs_accelerate.store import Ledger

    with Ledger(load_settings({"db_path": db}).ledger_path) as ledger:
        model = registry.annotate(ledger, name, dict(_note(text) for text in notes))
    if as_json:
        emit_json("models-annotate/1", {"model": model.to_dict()})
        return
    for key, value in sorted(model.annotations.items()):
        print(f"{key}={value}")


@command.command(epilog="Example: accel models convert ./all-MiniLM-L6-v2")
@click.argument("ref")
@json_option
def convert(ref: str, *, as_json: bool) -> None:
    """Convert REF to ONNX, compare it with PyTorch and keep it in the cache."""
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.models import resolve
    from ipfs_accelerate.models.conversion import ensure_onnx
    from ipfs_accelerate.telemetry import MonotonicClock

    settings, clock = load_settings(), MonotonicClock()
    artifact = resolve(ref, settings=settings)
    if not as_json:
        note(f"converting {artifact.name}; up to a few minutes the first time")
    started_ns = clock.now_ns()
    converted = ensure_onnx(artifact, settings=settings)
    elapsed_ns = clock.now_ns() - started_ns
    facts = {
        "ref": ref,
        "provenance": converted.provenance.kind,
        "components": {name: _component_facts(c) for name, c in converted.components.items()},
        "parity": converted.provenance.parity,
        "elapsed_ns": elapsed_ns,
    }
    if as_json:
        emit_json("models-convert/1", facts)
        return
    _print_conversion(converted, elapsed_ns)


def _note(text: str) -> tuple[str, str | None]:
    from ipfs_accelerate.errors import InputError

    key, separator, value = text.partition("=")
    if not key or not separator:
        raise InputError(f"{text!r} is not KEY=VALUE")
    return key, value or None


def _classification(ref: str) -> Classification:
    from ipfs_accelerate.models import ModelRef, Scheme, resolve
    from ipfs_accelerate.models import classify as classify_model
    from ipfs_accelerate.models.families.types import model_type_of, model_types

    if ref in model_types():
        return classify_model({"model_type": ref})
    if "/" not in ref and not Path(ref).exists() and model_type_of(ref) is not None:
        return classify_model({}, architecture=ref)
    parsed = ModelRef.parse(ref)
    artifact = resolve(parsed)
    named = parsed.scheme in {Scheme.HUB, Scheme.DIRECTORY, Scheme.RANDOM}
    graphs = artifact.components.values()
    return classify_model(
        artifact.config,
        name=parsed.name if named else None,
        files=[f.path for f in artifact.files],
        graph_inputs=[spec.name for graph in graphs for spec in graph.inputs],
    )


def _classification_facts(found: Classification) -> dict[str, object]:
    return {
        "family": found.family.value,
        "subfamily": found.subfamily,
        "modality": found.modality.value,
        "task": found.task,
        "model_type": found.model_type,
        "confidence": found.confidence,
        "evidence": [
            {"source": e.source, "weight": e.weight, "family": e.family.value, "says": e.says}
            for e in found.evidence
        ],
    }


def _register(artifact: ModelArtifact, settings: Settings) -> Registration:
    from ipfs_accelerate.inference.records import model_record
    from ipfs_accelerate.models import registry
    from ipfs_accelerate.store import Ledger

    with Ledger(settings.ledger_path) as ledger:
        return registry.register(ledger, model_record(artifact))


def _emit_artifact(
    artifact: ModelArtifact, *, as_json: bool, registration: Registration | None = None
) -> None:
    facts = _artifact_facts(artifact)
    replaced = registration.replaces if registration else None
    if registration is not None:
        facts["is_new_version"] = registration.is_new
        facts["replaces_version"] = replaced.version if replaced else None
    if as_json:
        emit_json("models-show/1", facts)
        return
    for name, value in facts.items():
        if name not in {"files", "provenance"} and value not in (None, {}, []):
            print(f"{name:<16} {_text(value)}")
    for row in artifact.files:
        print(f"  {row.sha256[:12]}  {row.size_bytes:>12,}  {row.path}")
    if replaced is not None:
        note(f"version changed: {replaced.version[:12]} -> {artifact.identity[:12]}; measure again")


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _artifact_facts(artifact: ModelArtifact) -> dict[str, object]:
    provenance = artifact.provenance
    return {
        "ref": str(artifact.ref),
        "identity": artifact.identity,
        "directory": str(artifact.directory),
        "family": artifact.family.value,
        "modality": artifact.modality.value,
        "task": artifact.task,
        "model_type": artifact.model_type,
        "architecture": artifact.architecture,
        "parameters": artifact.parameters,
        "weights": artifact.weights,
        "weights_bytes": artifact.weights_bytes,
        "formats": sorted(artifact.formats),
        "components": {name: _component_facts(c) for name, c in artifact.components.items()},
        "provenance": {"kind": provenance.kind, "source": provenance.source},
        "files": [
            {"path": f.path, "size_bytes": f.size_bytes, "sha256": f.sha256, "cid": f.cid}
            for f in artifact.files
        ],
    }


def _component_facts(component: object) -> dict[str, object]:
    from ipfs_accelerate.models import Component

    assert isinstance(component, Component)
    return {
        "path": None if component.path is None else str(component.path),
        "inputs": [[s.name, s.dtype, list(s.shape)] for s in component.inputs],
        "outputs": [[s.name, s.dtype, list(s.shape)] for s in component.outputs],
    }


def _report_facts(report: VerificationReport) -> dict[str, object]:
    return {
        "directory": str(report.directory),
        "is_ok": report.is_ok,
        "files": [check.to_dict() for check in report.files],
        "skipped": dict(report.skipped),
        "problems": [problem.to_dict() for problem in report.problems],
    }


def _print_report(report: VerificationReport) -> None:
    for check in report.files:
        state = "ok  " if check.problem is None else "BAD "
        size = "missing" if check.size_bytes is None else f"{check.size_bytes:,}"
        digest = (check.sha256 or "")[:12]
        did = ", ".join(["hashed", *check.checks] if check.sha256 else check.checks)
        print(f"{state} {size:>14}  {digest:<12}  {check.path}  ({check.kind}: {did})")
    for path, why in sorted(report.skipped.items()):
        print(f"skip {'':>14}  {'':<12}  {path}  ({why})")
    for problem in report.problems:
        print(f"problem[{problem.code}]: {problem.message}")
        if problem.hint:
            print(f"  hint: {problem.hint}")
    verdict = "may be used" if report.is_ok else f"{len(report.problems)} problem(s): do not use it"
    print(f"{report.directory}: {verdict}")


def _print_conversion(artifact: ModelArtifact, elapsed_ns: int) -> None:
    for name, component in artifact.components.items():
        print(f"{name}: {component.path}")
        for spec in component.inputs:
            print(f"  in   {spec.name} {spec.dtype} {list(spec.shape)}")
        for spec in component.outputs:
            print(f"  out  {spec.name} {spec.dtype} {list(spec.shape)}")
    _print_parity(artifact.provenance.parity)
    verb = "converted" if artifact.provenance.is_converted else "brought its own graphs; looked at"
    print(f"{verb} in {elapsed_ns / 1e9:.1f} s")


def _print_parity(parity: Mapping[str, object] | None) -> None:
    if parity is None:
        print("parity: not compared (the graphs came with the model)")
        return
    outputs = parity.get("outputs")
    for name, row in outputs.items() if isinstance(outputs, dict) else ():
        numbers = (f"{key} {row[key]:.3g}" for key in ("max_abs", "max_rel") if key in row)
        print(f"parity {name}: {', '.join(numbers)}; worst case: {row.get('worst_case')}")
    cases = parity.get("cases")
    if isinstance(cases, list):
        print(f"compared with PyTorch on {len(cases)} inputs")
