"""What a release says: the nouns of one version of a model, and their one form as DAG-CBOR.

::

    {"schema": "ipfs-accelerate/release", "version": 1, "name": text, "tag": text | null,
     "tree": CID, "profile": text, "created": text, "previous": text | null,
     "hub": {"repository": text, "commit": text} | null, "s3": text | null, "conversions": [{…}],
     "files": [{"path": text, "size": int, "sha256": bytes, "root": CID, "kind": text | null}]}

``previous`` is text, not a link: pinning or fetching a release must not drag its history along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.limits import MAX_PATH_DEPTH
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError, UnsafeModelError

if TYPE_CHECKING:
    from ipfs_accelerate.content.cid import Cid

__all__ = [
    "MAX_FILES",
    "SCHEMA",
    "VERSION",
    "HubCommit",
    "Release",
    "ReleaseFile",
    "check_path",
]

SCHEMA = "ipfs-accelerate/release"
VERSION = 1
MAX_FILES = 20_000
_MAX_TEXT = 4096


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """One file.

    Attributes:
        path: POSIX path from the tree's root; empty when the tree is a single file.
        size_bytes: Its size.
        sha256: Hex digest of the whole file.
        root: CID of the file.
        kind: What part of a model it is, as its publisher says; ``None`` when none.
    """

    path: str
    size_bytes: int
    sha256: str
    root: Cid
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class HubCommit:
    """The commit of a hub repository that holds the same files.

    Attributes:
        repository: ``org/name``.
        commit: Forty hex digits.
    """

    repository: str
    commit: str


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a model.

    Attributes:
        name: What it is called, ``org/name``.
        tree: Root of the directory (or of the single file).
        profile: Name of the import profile of every file.
        created: When, as UTC text (RFC 3339), as its publisher says.
        files: Every file of the tree, sorted by path.
        tag: Its version for people; ``None`` when it has none.
        hub: Where the same files lie on a hub.
        s3: ``bucket`` or ``bucket/prefix`` where they lie in an object store.
        conversions: How files were made from others: source, settings, parity.
        previous: CID of the release before this one.
    """

    name: str
    tree: Cid
    profile: str
    created: str
    files: tuple[ReleaseFile, ...]
    tag: str | None = None
    hub: HubCommit | None = None
    s3: str | None = None
    conversions: tuple[Mapping[str, object], ...] = ()
    previous: Cid | None = None

    def __post_init__(self) -> None:
        for text in (self.name, self.profile, self.created, self.tag or "-", self.s3 or "-"):
            if not text or len(text) > _MAX_TEXT or not text.isprintable():
                raise ContentFormatError(f"not a text for a release: {text[:60]!r}")
        _check_files(self.files)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    def to_body(self) -> dict[str, object]:
        """The fields as DAG-CBOR knows them."""
        hub = self.hub
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "name": self.name,
            "tag": self.tag,
            "tree": self.tree,
            "profile": self.profile,
            "created": self.created,
            "previous": None if self.previous is None else str(self.previous),
            "s3": self.s3,
            "hub": hub and {"repository": hub.repository, "commit": hub.commit},
            "conversions": [dict(row) for row in self.conversions],
            "files": [
                {
                    "path": file.path,
                    "size": file.size_bytes,
                    "sha256": bytes.fromhex(file.sha256),
                    "root": file.root,
                    "kind": file.kind,
                }
                for file in self.files
            ],
        }

    def to_json(self) -> dict[str, object]:
        """The fields as JSON knows them, for people's tools."""
        return {
            **self.to_body(),
            "tree": str(self.tree),
            "files": [
                {
                    "path": file.path,
                    "size_bytes": file.size_bytes,
                    "sha256": file.sha256,
                    "cid": str(file.root),
                    "kind": file.kind,
                }
                for file in self.files
            ],
        }


def check_path(path: str) -> None:
    """Refuse a name that is no path inside a tree.

    Raises:
        UnsafeModelError: It is absolute, climbs, is empty in a part, or hides control characters.
    """
    parts = path.split("/")
    is_odd = not path.isprintable() or "\\" in path or ":" in parts[0]
    if is_odd or len(parts) > MAX_PATH_DEPTH or any(part in {"", ".", ".."} for part in parts):
        raise UnsafeModelError(
            f"{path!r} is not a path inside a model",
            hint="the release names a file outside its tree; nothing was written",
            details={"path": path},
        )


def _check_files(files: tuple[ReleaseFile, ...]) -> None:
    if len(files) > MAX_FILES:
        raise ContentLimitError(f"a release of {len(files)} files; the limit is {MAX_FILES}")
    paths = [file.path for file in files]
    if paths != sorted(set(paths)):
        raise ContentFormatError("the files of a release are not sorted, or one is named twice")
    for file in files:
        if file.path or len(files) > 1:
            check_path(file.path)
        if file.size_bytes < 0 or len(file.sha256) != 64:
            raise ContentFormatError(f"{file.path} has size {file.size_bytes}, {file.sha256!r}")
