"""From a reference to a verified artifact, whatever the reference points at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from ipfs_accelerate.config import load_settings
from ipfs_accelerate.errors import (
    InputError,
    IntegrityError,
    ModelReferenceError,
    SourceUnavailableError,
)
from ipfs_accelerate.models.artifact import ModelArtifact, Provenance
from ipfs_accelerate.models.manifest import SCHEMA, FactCache, read_manifest
from ipfs_accelerate.models.reference import ModelRef, Scheme
from ipfs_accelerate.models.resolve_local import artifact_from_report, report_on

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.models.manifest import Expected
    from ipfs_accelerate.models.verification import VerificationReport

__all__ = ["fact_cache", "resolve", "verify"]

_PROVIDERS = {
    Scheme.IPFS: "the content layer, which fetches and verifies by content identifier",
    Scheme.S3: "a connector for S3-compatible object stores",
}


def resolve(
    ref: str | Path | ModelRef,
    *,
    settings: Settings | None = None,
    allow_pickle: bool = False,
    verify: str = "cached",
) -> ModelArtifact:
    """Bring a model to this machine, verify it and describe it.

    Args:
        ref: Hub id, folder, file, ``ipfs://``, ``s3://`` or ``random://`` (`ModelRef.parse`).
        settings: The settings in effect when ``None``.
        allow_pickle: Use pickled weights where there are no others. Reading them runs code.
        verify: ``cached`` trusts the hash of a file whose size, times and inode did not change
            since it was hashed; ``full`` hashes every file again.

    Raises:
        ModelReferenceError: The text is no reference.
        SourceUnavailableError: No installed part serves this scheme.
        ModelNotFoundError: The source has no such model, revision or file.
        AccessDeniedError: The source wants other credentials.
        ConnectivityError: The source could not be reached.
        IntegrityError: A file is missing, truncated or has the wrong hash.
        UnsafeModelError: A pickle, or a path that leaves the model's folder.
        ModelFormatError: A file is not valid for its kind.
    """
    parsed, effective = ModelRef.parse(ref), settings or load_settings()
    if verify not in {"cached", "full"}:
        raise InputError(f"verify={verify!r} is neither 'cached' nor 'full'")
    source = _locate(parsed, effective, allow_pickle=allow_pickle)
    report = _report(source, effective, is_full=verify == "full", allow_pickle=allow_pickle)
    return artifact_from_report(parsed, report, provenance=source.provenance, task=source.task)


def verify(
    ref: str | Path | ModelRef,
    *,
    settings: Settings | None = None,
    is_full: bool = True,
    allow_pickle: bool = False,
) -> VerificationReport:
    """Check every file of a model and report on each, without raising for what is found.

    Raises:
        AccelerateError: The model could not be brought here at all; see `resolve`.
    """
    effective = settings or load_settings()
    source = _locate(ModelRef.parse(ref), effective, allow_pickle=allow_pickle)
    return _report(source, effective, is_full=is_full, allow_pickle=allow_pickle)


def fact_cache(settings: Settings) -> FactCache:
    """The cache of hashes and facts that belongs to these settings."""
    return FactCache(settings.home / "facts.sqlite")


class _Source:
    """Where the files lie now, and what their source says of them."""

    def __init__(
        self,
        path: Path,
        provenance: Provenance,
        *,
        expected: Mapping[str, Expected] | None = None,
        task: str | None = None,
    ) -> None:
        self.path = path
        self.provenance = provenance
        self.expected = expected
        self.task = task


def _report(
    source: _Source, settings: Settings, *, is_full: bool, allow_pickle: bool
) -> VerificationReport:
    return report_on(
        source.path,
        cache=fact_cache(settings),
        expected=source.expected,
        is_full=is_full,
        allow_pickle=allow_pickle,
    )


def _locate(ref: ModelRef, settings: Settings, *, allow_pickle: bool) -> _Source:
    match ref.scheme:
        case Scheme.DIRECTORY | Scheme.FILE:
            return _local(ref)
        case Scheme.HUB:
            return _from_hub(ref, settings, allow_pickle=allow_pickle)
        case Scheme.RANDOM:
            return _Source(_random(ref, settings), Provenance("random_weights", str(ref)))
        case _:
            return _from_plugin(ref, settings, allow_pickle=allow_pickle)


def _local(ref: ModelRef) -> _Source:
    path = Path(ref.location)
    if not path.exists():
        raise IntegrityError(f"{path} is missing", hint="it was there when the reference was made")
    return _Source(path, Provenance("local", ref.location))


def _from_hub(ref: ModelRef, settings: Settings, *, allow_pickle: bool) -> _Source:
    from ipfs_accelerate.models.hub import Hub

    snapshot = Hub(settings).fetch(ref, allow_pickle=allow_pickle)
    provenance = Provenance(
        "downloaded",
        f"{ref.location}@{snapshot.commit}",
        {"endpoint": settings.hub_endpoint, "commit": snapshot.commit},
    )
    return _Source(snapshot.directory, provenance, expected=snapshot.expected, task=snapshot.task)


def _from_plugin(ref: ModelRef, settings: Settings, *, allow_pickle: bool) -> _Source:
    from ipfs_accelerate.plugins import plugin_manager

    path = plugin_manager().hook.ipfs_accelerate_resolve(
        ref=ref, cache_dir=settings.models_dir, settings=settings, allow_pickle=allow_pickle
    )
    if path is None:
        raise SourceUnavailableError(
            f"nothing installed can fetch {ref}: {ref.scheme.value}:// is served by"
            f" {_PROVIDERS.get(ref.scheme, 'a plugin')}",
            hint="install a plugin with the hook ipfs_accelerate_resolve, or give a hub id or path",
            details={"scheme": ref.scheme.value},
        )
    return _placed(Path(path), ref)


def _placed(path: Path, ref: ModelRef) -> _Source:
    """What a plugin placed, held against the receipt it wrote beside the folder, if it did."""
    receipt = path.with_name(path.name + ".json")
    facts = json.loads(receipt.read_bytes()) if path.is_dir() and receipt.is_file() else {}
    if facts.get("schema") != SCHEMA:  # none, or notes of the plugin's own
        return _Source(path, Provenance("downloaded", str(ref)))
    known = {name: facts[name] for name in ("cid", "release", "tag", "signer") if name in facts}
    provenance = Provenance("downloaded", str(ref), known)
    return _Source(path, provenance, expected=read_manifest(receipt))


def _random(ref: ModelRef, settings: Settings) -> Path:
    from filelock import FileLock

    from ipfs_accelerate.models import random_weights

    architecture, _, query = ref.location.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    seed, size = options.pop("seed", "0"), options.pop("size", "tiny")
    if options or not seed.isdigit():
        raise ModelReferenceError(
            f"not understood in {ref}: {options or {'seed': seed}}",
            hint="use random://bert?seed=0&size=tiny",
        )
    directory = settings.models_dir / "random" / f"{architecture}-{size}-{seed}"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{directory}.lock"):
        if not directory.is_dir():
            random_weights.create(architecture, seed=int(seed), size=size, directory=directory)
    return directory
