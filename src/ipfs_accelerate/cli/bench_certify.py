"""``accel bench certify``: whether a result can be trusted, and a certificate that says why."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ipfs_accelerate.cli.content_keys import load_key, passphrase_option
from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.quantities import duration, names, share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.bench.run import BenchRequest
    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.content.release import PublicKey
    from ipfs_accelerate.evidence.certification import (
        Assessment,
        Audit,
        Certificate,
        Evidence,
        Policy,
    )
    from ipfs_accelerate.store import Ledger, MeasurementRecord

__all__ = ["certify"]


def _quantiles(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part.strip().removeprefix("p")) / 100 for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a list of percentiles such as 50,99") from error


@click.command(epilog="Example: accel bench certify 3f2a --output cert.json --key lab")
@click.argument("result", required=False, metavar="[RESULT]")
@click.option("--model", help="Newest result of this model, instead of RESULT.")
@click.option("--target", help="Likewise of this target.")
@click.option("--case", "test_case", help="Likewise of this workload.")
@click.option("--runs", type=int, default=3, help="Independent runs that have to agree.")
@click.option("--bound", type=share, default="5%", help="Within this their medians agree.")
@click.option(
    "--quantile",
    "quantiles",
    type=_quantiles,
    metavar="P,P",
    default="50",
    help="Percentiles claimed, by comma.",
)
@click.option("--run", "makes_runs", is_flag=True, help="Measure the runs that are missing.")
@click.option("--budget", type=duration, default="10s", help="Counted time of each such run.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the certificate."
)
@click.option("--key", "keys", type=names, help="Own keys that sign it, by comma.")
@passphrase_option
@click.option("--valid-days", type=click.IntRange(1, 3650), default=90, help="Its lifetime.")
@click.option(
    "--verify",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check a certificate against keys, time and ledger instead.",
)
@click.option("--trust", multiple=True, help="did:key:… that may sign; own keys always may.")
@click.option("--db", type=click.Path(path_type=Path), help="Ledger file; see the setting db_path.")
@json_option
def certify(
    *,
    result: str | None,
    output: Path | None,
    verify: Path | None,
    db: Path | None,
    as_json: bool,
    **given: object,
) -> int:
    """Hold a result against every rule and, with --output, sign what stands.

    Exit status: 0 when it is certified (or the certificate holds), 1 when it is provisional or
    refused (or the certificate does not hold).
    """
    from ipfs_accelerate.config import load_settings

    settings = load_settings({"db_path": db})
    if verify is not None:
        _refuse_mixture(result, output, given)
        return _verify(verify, settings, db, given, as_json=as_json)
    _refuse_unsigned(output, given)
    found = _assess(result, settings, given)
    certificate = None if output is None else _issue(found, given)
    _show(found, certificate, as_json=as_json)
    if certificate is not None and output is not None:
        output.write_text(certificate.to_json(), encoding="utf-8")
        note(f"wrote {output}, {certificate.cid}, valid until {certificate.expires:%Y-%m-%d}")
    elif output is not None:
        note("refused: no certificate was written")
    return 0 if found.level == "certified" else 1


def _refuse_mixture(result: str | None, output: Path | None, given: Mapping[str, object]) -> None:
    from ipfs_accelerate.errors import UsageError

    others = ("model", "target", "test_case", "makes_runs", "keys")
    if result or output or any(given[name] for name in others):
        raise UsageError("--verify checks a certificate and makes none", hint="leave the rest out")


def _refuse_unsigned(output: Path | None, given: Mapping[str, object]) -> None:
    from ipfs_accelerate.errors import UsageError

    if (output is None) != (not given["keys"]):
        raise UsageError(
            "a certificate needs both --output and --key",
            hint="make a key once: accel content key new lab",
        )


def _assess(result: str | None, settings: Settings, given: Mapping[str, object]) -> Assessment:
    from ipfs_accelerate.evidence.certification import Policy, assess, gather

    policy = Policy(
        runs=cast("int", given["runs"]),
        bound=cast("float", given["bound"]),
        quantiles=cast("tuple[float, ...]", given["quantiles"]),
    )
    ledger = _ledger(settings)
    evidence = gather(ledger, _chosen(ledger, result, given), policy)
    if given["makes_runs"] and _make_missing(evidence, settings, given):
        evidence = gather(ledger, evidence.subject.result_id, policy)
    return assess(evidence)


def _chosen(ledger: Ledger, result: str | None, given: Mapping[str, object]) -> str:
    """The whole id of the result that was named, or of the newest one that fits."""
    from ipfs_accelerate.errors import InputError, UsageError
    from ipfs_accelerate.evidence.certification import find_result

    model, target, case = (
        cast("str | None", given[name]) for name in ("model", "target", "test_case")
    )
    if result is not None:
        if model or target or case:
            raise UsageError("either RESULT or --model, --target and --case")
        return find_result(ledger, result)
    if not (model or target or case):
        raise UsageError("which result?", hint="`accel evidence summary` lists results")
    rows = ledger.performance(model_name=model, target=target, test_case=case, limit=1)
    if not rows:
        wanted = ", ".join(filter(None, (model, target, case)))
        raise InputError(f"no measured result of {wanted}", hint="accel bench run REF …")
    return rows[0].result_id


def _make_missing(evidence: Evidence, settings: Settings, given: Mapping[str, object]) -> int:
    """Measure the same case again, each time in a run of its own; returns how often."""
    from ipfs_accelerate.bench.progress import progress_for
    from ipfs_accelerate.bench.run import interruptible, run_benchmark
    from ipfs_accelerate.errors import UsageError
    from ipfs_accelerate.telemetry import Origin

    if evidence.subject.origin is not Origin.MEASURED:
        raise UsageError("only a measured result can be measured again", hint="accel bench run")
    missing = evidence.policy.runs - len({row.run_id for row in evidence.rows})
    request = _request(evidence.subject, settings, cast("int", given["budget"]))
    with interruptible() as is_cancelled:
        for _ in range(max(0, missing)):
            if is_cancelled():
                raise KeyboardInterrupt
            run_benchmark(
                request,
                _ledger(settings, read_only=False),
                progress=progress_for(sys.stderr),
                is_cancelled=is_cancelled,
            )
    return max(0, missing)


def _request(row: MeasurementRecord, settings: Settings, budget_ns: int) -> BenchRequest:
    from ipfs_accelerate.bench.case import Limits
    from ipfs_accelerate.bench.measure import RunOptions
    from ipfs_accelerate.bench.plan import Sizes
    from ipfs_accelerate.bench.run import BenchRequest

    environment = row.environment
    tuned = environment.get("settings")
    threads = tuned.get("threads") if isinstance(tuned, dict) else None
    limits = Limits(
        timeout_ns=round(settings.case_timeout_s * 1e9),
        budget_ns=budget_ns,
        threads=threads if isinstance(threads, int) and threads > 0 else None,
    )
    options = RunOptions(
        limits,
        settings,
        seed=cast("int", environment.get("seed") or 0),
        input_file=cast("str | None", environment.get("input_file")),
    )
    sizes = {name: (size,) for name, size in row.shapes.items()}
    return BenchRequest(
        (row.model.model_name,),
        options,
        targets=(row.target,),
        sizes=Sizes(batch=(row.batch_size,), **sizes),
        command_line=shlex.join(["accel", *sys.argv[1:]]),
    )


def _issue(found: Assessment, given: Mapping[str, object]) -> Certificate | None:
    from ipfs_accelerate.evidence.certification import issue

    if found.level == "refused":
        return None
    keys = cast("tuple[str, ...] | None", given["keys"]) or ()
    signing = [load_key(name, asked=bool(given["passphrase"])) for name in keys]
    lifetime = timedelta(days=cast("int", given["valid_days"]))
    return issue(found, signing, now=datetime.now(UTC), lifetime=lifetime)


def _show(found: Assessment, certificate: Certificate | None, *, as_json: bool) -> None:
    from ipfs_accelerate.cli.bench_certify_view import print_assessment

    if not as_json:
        print_assessment(found)
        return
    policy: Policy = found.evidence.policy
    emit_json(
        "bench-certify/1",
        {
            "result_id": found.evidence.subject.result_id,
            "origin": found.evidence.subject.origin.value,
            "level": found.level,
            "score": found.score,
            "policy": asdict(policy),
            "rules": found.to_rows(),
            "evidence": [row.result_id for row in found.evidence.rows],
            "left_out": dict(found.evidence.left_out),
            "certificate": None if certificate is None else str(certificate.cid),
        },
    )


def _verify(
    file: Path, settings: Settings, db: Path | None, given: Mapping[str, object], *, as_json: bool
) -> int:
    """Against the ledger where there is one; one that was named has to exist."""
    from ipfs_accelerate.cli.bench_certify_view import print_audit
    from ipfs_accelerate.evidence.certification import audit, read_certificate

    certificate = read_certificate(file.read_bytes())
    ledger = _ledger(settings) if db is not None or settings.ledger_path.is_file() else None
    found = audit(
        certificate,
        trusted=_trusted(settings, cast("tuple[str, ...]", given["trust"])),
        now=datetime.now(UTC),
        ledger=ledger,
    )
    if as_json:
        emit_json("certificate-audit/1", _audit_json(certificate, found, ledger))
    else:
        print_audit(certificate, found, has_ledger=ledger is not None)
    return 0 if found.holds else 1


def _trusted(settings: Settings, given: tuple[str, ...]) -> set[PublicKey]:
    """Keys that were named, are set, or are our own."""
    from ipfs_accelerate.content.release import KeyRing, PublicKey

    ring = KeyRing(settings.keys_dir)
    own = {key for name in ring.names() if (key := ring.public(name)) is not None}
    return own | {PublicKey.parse(text) for text in (*settings.content_trusted_keys, *given)}


def _audit_json(certificate: Certificate, found: Audit, ledger: Ledger | None) -> dict[str, object]:
    body = certificate.body
    return {
        "certificate": str(certificate.cid),
        "holds": found.holds,
        **asdict(found),
        "ledger": None if ledger is None else str(ledger.path),
        **{name: body[name] for name in ("subject", "claims", "level", "score", "expires")},
    }


def _ledger(settings: Settings, *, read_only: bool = True) -> Ledger:
    from ipfs_accelerate.store import Ledger

    return Ledger(settings.ledger_path, read_only=read_only, lock_timeout_s=settings.lock_timeout_s)
