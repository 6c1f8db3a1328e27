"""Parsing of model references; pure, no I/O beyond asking whether a local path exists."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from ipfs_accelerate.errors import ModelReferenceError

__all__ = ["ModelRef", "Scheme"]

# Hub rules: 1-96 characters of [A-Za-z0-9._-], no "--" or "..", no leading or trailing "-" or ".".
_HUB_PART = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?\Z")
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,254}\Z")
_CID = re.compile(
    r"(?:Qm[1-9A-HJ-NP-Za-km-z]{44}|b[a-z2-7]{20,}|z[1-9A-HJ-NP-Za-km-z]{20,}|f[0-9a-f]{20,})\Z"
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")


class Scheme(StrEnum):
    """Where a reference points."""

    HUB = "hub"
    DIRECTORY = "directory"
    FILE = "file"
    IPFS = "ipfs"
    S3 = "s3"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A parsed reference to a model.

    Attributes:
        scheme: Where it points.
        location: Hub id, absolute path, CID, ``bucket/key`` or architecture name, without scheme.
        revision: Branch, tag or commit of a hub id; ``None`` for the default.
        subpath: Path inside an ``ipfs://`` tree; ``None`` for its root.

    Example:
        >>> ModelRef.parse("org/name@v1").revision
        'v1'
        >>> ModelRef.parse("ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi").scheme
        <Scheme.IPFS: 'ipfs'>
    """

    scheme: Scheme
    location: str
    revision: str | None = None
    subpath: str | None = None

    @classmethod
    def parse(cls, text: str | Path | ModelRef) -> ModelRef:
        """Parse ``org/name[@rev]``, a path, ``ipfs://CID[/path]``, ``s3://bucket/key``, ``random://…``.

        An existing path wins over a hub id of the same spelling; write ``hub://org/name`` to force
        the hub. ``random://bert?seed=0`` names seeded random weights of a real architecture.

        Raises:
            ModelReferenceError: The text is none of these.
        """
        if isinstance(text, ModelRef):
            return text
        raw = str(text)
        if not raw.strip() or "\x00" in raw:
            raise ModelReferenceError(f"empty or invalid model reference {raw!r}", hint=_HINT)
        scheme, separator, rest = raw.partition("://")
        if separator:
            return _parse_with_scheme(scheme.lower(), rest, raw)
        try:
            path = Path(raw).expanduser()
        except RuntimeError as error:  # "~somebody" who has no home
            raise ModelReferenceError(f"no such user: {raw!r}", hint=_HINT) from error
        if path.exists():
            kind = Scheme.DIRECTORY if path.is_dir() else Scheme.FILE
            return cls(kind, str(path.resolve()))
        if raw.startswith((".", "/", "~")) or path.suffix in _FILE_SUFFIXES:
            raise ModelReferenceError(f"no such file or directory: {raw!r}", hint=_HINT)
        return _parse_hub(raw, raw)

    @property
    def name(self) -> str:
        """Short name for tables."""
        if self.scheme in {Scheme.DIRECTORY, Scheme.FILE}:
            return Path(self.location).name
        if self.scheme is Scheme.IPFS:
            return f"{self.location[:8]}…{self.location[-4:]}"
        if self.scheme is Scheme.S3:
            return PurePosixPath(self.location).name
        if self.scheme is Scheme.RANDOM:
            return f"random:{self.location}"
        return self.location

    def __str__(self) -> str:
        if self.scheme in {Scheme.DIRECTORY, Scheme.FILE}:
            return self.location
        if self.scheme is Scheme.HUB:
            return f"{self.location}@{self.revision}" if self.revision else self.location
        tail = f"/{self.subpath}" if self.subpath else ""
        return f"{self.scheme.value}://{self.location}{tail}"


_FILE_SUFFIXES = {".onnx", ".safetensors", ".gguf", ".tflite", ".xml", ".bin", ".pt", ".pth"}
_HINT = "use org/name[@revision], a path, ipfs://CID, s3://bucket/key or random://architecture"


def _parse_with_scheme(scheme: str, rest: str, raw: str) -> ModelRef:
    match scheme:
        case "hub" | "hf":
            return _parse_hub(rest, raw)
        case "file":
            path = Path(rest)
            if not path.exists():
                raise ModelReferenceError(f"no such file or directory: {raw!r}", hint=_HINT)
            kind = Scheme.DIRECTORY if path.is_dir() else Scheme.FILE
            return ModelRef(kind, str(path.resolve()))
        case "ipfs":
            cid, _, subpath = rest.partition("/")
            if not _CID.match(cid) or ".." in PurePosixPath(subpath).parts:
                raise ModelReferenceError(f"not a valid CID in {raw!r}", hint=_HINT)
            return ModelRef(Scheme.IPFS, cid, subpath=subpath or None)
        case "s3":
            bucket, _, key = rest.partition("/")
            if not _BUCKET.match(bucket) or not key or ".." in PurePosixPath(key).parts:
                raise ModelReferenceError(f"not a valid bucket and key in {raw!r}", hint=_HINT)
            return ModelRef(Scheme.S3, rest)
        case "random":
            if not re.match(r"[a-z0-9_-]+(?:\?[a-z0-9_=&.-]*)?\Z", rest):
                raise ModelReferenceError(f"not an architecture name in {raw!r}", hint=_HINT)
            return ModelRef(Scheme.RANDOM, rest)
        case _:
            raise ModelReferenceError(f"unknown scheme {scheme!r} in {raw!r}", hint=_HINT)


def _parse_hub(text: str, raw: str) -> ModelRef:
    location, separator, revision = text.partition("@")
    parts = location.split("/")
    if len(parts) not in {1, 2} or not all(_HUB_PART.match(p) for p in parts):
        raise ModelReferenceError(f"not a model reference: {raw!r}", hint=_HINT)
    if separator and not _REVISION.match(revision):
        raise ModelReferenceError(f"not a revision: {revision!r} in {raw!r}", hint=_HINT)
    return ModelRef(Scheme.HUB, location, revision=revision or None)
