"""Copies of imported files in a verified tar.gz beside the ledger."""

from __future__ import annotations

import errno
import hashlib
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import DiskFullError, IntegrityError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["NO_SPACE", "ArchivedFile", "archive"]

#: Numbers of operating system errors that mean there is no space.
NO_SPACE = frozenset({errno.EFBIG, errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file and what it held when it was read.

    Attributes:
        path: Where it stands.
        sha256: Hex digest of its content.
    """

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: Path) -> ArchivedFile:
        """Hash a file.

        Raises:
            StoreError: It cannot be read.
        """
        try:
            with path.open("rb") as stream:
                return cls(path, hashlib.file_digest(stream, "sha256").hexdigest())
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error}") from error

    @property
    def member(self) -> str:
        """Its name inside the archive: unique, and the original's name at the end."""
        return f"{self.sha256[:16]}/{self.path.name}"


def archive(files: Sequence[ArchivedFile], *, beside: Path) -> Path:
    """Write and verify ``<ledger>.import-<hash>.tar.gz``; the same files give the same archive.

    Raises:
        IntegrityError: A file changed since it was hashed, or the archive reads back otherwise.
        DiskFullError: There is no space for it.
    """
    digest = hashlib.sha256("".join(sorted(f.sha256 for f in files)).encode()).hexdigest()
    target = beside.with_name(f"{beside.stem}.import-{digest[:16]}.tar.gz")
    if not target.exists():
        unfinished = target.with_name(target.name + ".part")
        try:
            with tarfile.open(unfinished, "w:gz", compresslevel=6) as tar:
                for file in files:
                    tar.add(file.path, arcname=file.member, recursive=False)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            kind = DiskFullError if error.errno in NO_SPACE else StoreError
            raise kind(f"cannot write {target}: {error}") from error
        unfinished.replace(target)
    _verify(target, files)
    return target


def _verify(target: Path, files: Sequence[ArchivedFile]) -> None:
    expected = {file.member: file.sha256 for file in files}
    found: dict[str, str] = {}
    try:
        with tarfile.open(target, "r:gz") as tar:
            for member in tar:
                stream = tar.extractfile(member)
                if stream is not None:
                    found[member.name] = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    except (OSError, EOFError, tarfile.TarError) as error:
        raise IntegrityError(f"{target} cannot be read back: {error}", hint=_HINT) from error
    wrong = [name for name, sha256 in expected.items() if found.get(name) != sha256]
    if wrong:
        raise IntegrityError(f"{target} does not hold {wrong[0]} as it was read", hint=_HINT)


_HINT = "delete the archive and import again; no original was deleted"
