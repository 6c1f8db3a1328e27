"""``accel content publish|diff|verify``: versions of a model."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.content_context import (
    Bar,
    open_store,
    parse_address,
    profile_option,
    stoppable,
    the_settings,
)
from ipfs_accelerate.cli.content_keys import load_key, passphrase_option
from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.text import size

if TYPE_CHECKING:
    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.content.release import Diff, Draft, SignedRelease, SigningKey, VerifyReport
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["diff", "publish", "verify"]


@click.command(
    epilog="Example: accel content publish ./model --name org/model --tag v1 --key release"
)
@click.argument("ref")
@click.option("--name", help="What it is called; the reference's own name otherwise.")
@click.option("--tag", help="Its version for people.")
@click.option("--key", "key_name", help="Signs it; a key of this machine.")
@click.option("--unsigned", is_flag=True, help="Publish without a signature.")
@profile_option
@click.option("--s3", metavar="BUCKET/PREFIX", help="Where the same files lie in an object store.")
@click.option("--previous", metavar="CID", help="The release before this one.")
@passphrase_option
@json_option
def publish(  # noqa: PLR0913 - one for each option
    ref: str,
    *,
    name: str | None,
    tag: str | None,
    key_name: str | None,
    unsigned: bool,
    profile: str | None,
    s3: str | None,
    previous: str | None,
    passphrase: bool,
    as_json: bool,
) -> None:
    """Sign a release of the model REF and print its CID, which is what people share.

    REF is a folder or any reference that `accel models fetch` takes; of a hub id the commit is
    noted, so that the hub can serve the bytes.
    """
    from dataclasses import replace

    from ipfs_accelerate.content import profile_named
    from ipfs_accelerate.content.release import publish as publish_release

    settings = the_settings()
    keys = _keys(key_name, is_unsigned=unsigned, asked=passphrase)
    directory, draft = _draft(ref, settings)
    draft = replace(
        draft,
        name=name or draft.name,
        tag=tag,
        s3=s3,
        profile=profile_named(profile or settings.content_profile),
        previous=None if previous is None else parse_address(previous).cid,
    )
    with stoppable() as cancel, Bar("publish") as bar, open_store(settings) as store:
        signed = publish_release(
            directory, store, keys, draft=draft, progress=bar.to, cancel=cancel
        )
    _print_release(signed, as_json=as_json)


@click.command(epilog="Example: accel content diff bafyrei…old bafyrei…new")
@click.argument("old")
@click.argument("new")
@json_option
def diff(old: str, new: str, *, as_json: bool) -> None:
    """Compare two releases or folders by their blocks: what would move, what is shared."""
    from ipfs_accelerate.content.release import diff as compare

    with open_store() as store:
        found = compare(parse_address(old).cid, parse_address(new).cid, store)
    if as_json:
        emit_json("content-diff/1", _diff_facts(found))
        return
    marks = {"added": "+", "removed": "-", "changed": "~"}
    for change in found.files:
        if change.state in marks:
            moved = f"{size(change.new_bytes)} new of {size(change.size_bytes)}"
            print(f"{marks[change.state]} {change.path}  ({moved})")
    share = found.moved_bytes / found.total_bytes if found.total_bytes else 0.0
    print(
        f"{size(found.moved_bytes)} in {_count(found.moved_blocks)} would move"
        f" ({share:.1%} of {size(found.total_bytes)}); {size(found.shared_bytes)} are shared"
    )


@click.command(epilog="Example: accel content verify bafyrei… ./model")
@click.argument("cid")
@click.argument("directory", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--trust", multiple=True, metavar="KEY", help="A publisher's did:key:…")
@click.option(
    "--allow-unsigned", is_flag=True, help="A signature that nobody trusts is no problem."
)
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    /,
    *,
    cid: str,
    directory: Path | None,
    trust: tuple[str, ...],
    allow_unsigned: bool,
    as_json: bool,
) -> None:
    """Check every block, sha256 and signature of CID in the store; exit with 1 on a finding.

    With DIRECTORY, check the files of that copy instead, each block where it lies.
    """
    from ipfs_accelerate.content.release import verify as verify_store
    from ipfs_accelerate.content.release import verify_copy
    from ipfs_accelerate.content.resolving import trust_of

    trusted = trust_of(the_settings(), extra=trust, allows_unsigned=allow_unsigned)
    root = parse_address(cid).cid
    with open_store() as store, Bar("verify") as bar:
        if directory is None:
            report = verify_store(root, store, trust=trusted, progress=bar.by)
        else:
            report = verify_copy(directory, root, store, trust=trusted, progress=bar.by)
    if as_json:
        emit_json("content-verify/1", _verify_facts(report))
    else:
        _print_report(report)
    ctx.exit(0 if report.is_ok else 1)


def _keys(name: str | None, *, is_unsigned: bool, asked: bool) -> list[SigningKey]:
    from ipfs_accelerate.content.release import KeyRing
    from ipfs_accelerate.errors import InputError

    if is_unsigned:
        return []
    if name is None:
        known = KeyRing(the_settings().keys_dir).names()
        raise InputError(
            "a release is signed, and no key was named",
            hint=f"--key {known[0]}" if known else "accel content key new NAME, or --unsigned",
        )
    return [load_key(name, asked=asked)]


def _draft(ref: str, settings: Settings) -> tuple[Path, Draft]:
    """Where the files are, and what is known of them."""
    from ipfs_accelerate.content.release import Draft, HubCommit
    from ipfs_accelerate.models import ModelRef, Scheme, resolve
    from ipfs_accelerate.models.kinds import stated_kinds

    parsed = ModelRef.parse(ref)
    artifact = resolve(parsed, settings=settings)
    hub = None
    if parsed.scheme is Scheme.HUB:
        commit = str(artifact.provenance.settings["commit"])
        hub = HubCommit(parsed.location, commit)
    draft = Draft(
        name=parsed.name,
        created=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        kinds=stated_kinds(artifact),
        hub=hub,
        conversions=_conversions(artifact),
    )
    return artifact.directory, draft


def _conversions(artifact: ModelArtifact) -> tuple[dict[str, object], ...]:
    provenance = artifact.provenance
    if not provenance.is_converted:
        return ()
    return (
        {
            "kind": provenance.kind,
            "from": provenance.source,
            "settings": dict(provenance.settings),
            "parity": None if provenance.parity is None else dict(provenance.parity),
        },
    )


def _print_release(signed: SignedRelease, *, as_json: bool) -> None:
    release = signed.release
    signers = [str(key) for key in signed.signers]
    if as_json:
        body = release.to_json()
        emit_json(
            "content-publish/1",
            {
                "cid": str(signed.cid),
                "signers": signers,
                **{k: v for k, v in body.items() if k != "schema"},
            },
        )
        return
    print(signed.cid)
    version = f" {release.tag}" if release.tag else ""
    note(
        f"{release.name}{version}: {len(release.files)} files, {size(release.size_bytes)},"
        f" tree {release.tree}, profile {release.profile}"
    )
    note(f"signed by {signers[0]}" if signers else "not signed")


def _diff_facts(found: Diff) -> dict[str, object]:
    return {
        "old": str(found.old),
        "new": str(found.new),
        "total_bytes": found.total_bytes,
        "shared_bytes": found.shared_bytes,
        "moved_bytes": found.moved_bytes,
        "moved_blocks": found.moved_blocks,
        "files": [
            {
                "path": change.path,
                "state": change.state,
                "size_bytes": change.size_bytes,
                "shared_bytes": change.shared_bytes,
                "new_bytes": change.new_bytes,
            }
            for change in found.files
        ],
    }


def _verify_facts(report: VerifyReport) -> dict[str, object]:
    release = report.contents.release
    return {
        "cid": str(report.contents.cid),
        "name": release.name if release else None,
        "signer": report.signer,
        "is_ok": report.is_ok,
        "blocks": report.blocks,
        "size_bytes": report.size_bytes,
        "files": [
            {
                "path": file.path,
                "size_bytes": file.size_bytes,
                "blocks": file.blocks,
                "problem": None if file.problem is None else file.problem.to_dict(),
            }
            for file in report.files
        ],
        "problems": [problem.to_dict() for problem in report.problems],
    }


def _print_report(report: VerifyReport) -> None:
    for file in report.files:
        state = "ok " if file.problem is None else "BAD"
        print(f"{state} {size(file.size_bytes):>10}  {file.path}  ({_count(file.blocks)})")
    for problem in report.all_problems:
        print(f"problem[{problem.code}]: {problem.message}")
        if problem.hint:
            print(f"  hint: {problem.hint}")
    if report.contents.signed is not None and not report.problems:
        print(f"signed by {report.signer or 'nobody trusted'}")
    count = len(report.all_problems)
    verdict = "whole and right" if report.is_ok else f"{count} problem(s): do not use it"
    print(f"{report.contents.cid}: {verdict}")


def _count(blocks: int) -> str:
    return "1 block" if blocks == 1 else f"{blocks:,} blocks"
