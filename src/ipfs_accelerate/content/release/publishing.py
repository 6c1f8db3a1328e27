"""Making a release out of a folder: hashed, kept, described, signed."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.content.cid import Codec, Hash
from ipfs_accelerate.content.importing import hash_tree
from ipfs_accelerate.content.profiles import UNIXFS_V1_2025
from ipfs_accelerate.content.release.keeping import guards_of, keep
from ipfs_accelerate.content.release.manifest import Release, ReleaseFile
from ipfs_accelerate.content.release.signing import sign_release
from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future
    from pathlib import Path
    from threading import Event

    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.importing import HashedFile
    from ipfs_accelerate.content.profiles import ImportProfile
    from ipfs_accelerate.content.release.keys import SigningKey
    from ipfs_accelerate.content.release.manifest import HubCommit
    from ipfs_accelerate.content.release.signing import SignedRelease

__all__ = ["Draft", "publish"]


@dataclass(frozen=True, slots=True)
class Draft:
    """What a publisher says about a release beside its files; see `Release`.

    Attributes:
        name: What it is called, ``org/name``.
        created: When, as UTC text (RFC 3339).
        kinds: Path → what part of a model it is; paths that are left out are none.
        profile: Decides the CIDs.
        tag: Its version for people.
        hub: Where the same files lie on a hub.
        s3: Where they lie in an object store.
        conversions: How files were made from others.
        previous: CID of the release before this one.
    """

    name: str
    created: str
    kinds: Mapping[str, str | None]
    profile: ImportProfile = UNIXFS_V1_2025
    tag: str | None = None
    hub: HubCommit | None = None
    s3: str | None = None
    conversions: tuple[Mapping[str, object], ...] = ()
    previous: Cid | None = None


def publish(
    directory: Path,
    store: FileBlockStore,
    keys: Iterable[SigningKey],
    *,
    draft: Draft,
    progress: Callable[[int], None] | None = None,
    cancel: Event | None = None,
) -> SignedRelease:
    """Add a folder to a store and sign a release of it; the release is pinned.

    The sha256 of each file is computed beside the digests of its blocks while its bytes are in
    memory. Symlinks are followed, so that a folder of the hub's cache can be published.

    Args:
        directory: The model's files; hidden ones are left out.
        store: Keeps them.
        keys: Who signs; nobody does when empty.
        draft: What is said about it.
        progress: Called with the bytes hashed so far.
        cancel: Ends the work soon after it is set.

    Raises:
        InputError: There are no files, or the folder is a file.
        IntegrityError: A file changed while it was read.
        ContentLimitError: More files than one block can list.
    """
    if not directory.is_dir():
        raise InputError(f"{directory} is not a folder", hint="a release is made of a folder")
    guards = guards_of(directory)
    with _Digests(guards) as digests:
        tree = hash_tree(
            directory, draft.profile, progress=progress, cancel=cancel, follow_symlinks=True
        )
        if not tree.files:
            raise InputError(f"{directory} holds no files to publish")
        files = tuple(
            sorted(
                (_row(file, digests, draft.kinds.get(file.path)) for file in tree.files),
                key=lambda row: row.path,
            )
        )
    release = Release(
        name=draft.name,
        tree=tree.root,
        profile=tree.profile,
        created=draft.created,
        files=files,
        tag=draft.tag,
        hub=draft.hub,
        s3=draft.s3,
        conversions=draft.conversions,
        previous=draft.previous,
    )
    signed = sign_release(release, keys)
    keep(tree, store, mode="auto", guards=guards)
    store.put(signed.cid, signed.block, is_verified=True)
    store.pin(signed.cid)
    return signed


def _row(file: HashedFile, digests: _Digests, kind: str | None) -> ReleaseFile:
    layout = file.layout
    return ReleaseFile(file.path, layout.size_bytes, digests.of(file), layout.root, kind)


class _Digests:
    """The sha256 of files, computed on a thread of its own meanwhile."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sha256")
        self._paths = tuple(paths)
        self._found: dict[Path, Future[str]] = {}

    def __enter__(self) -> Self:
        self._found = {path: self._pool.submit(_sha256, path) for path in self._paths}
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def of(self, file: HashedFile) -> str:
        root = file.layout.root
        if root.codec == Codec.RAW and root.hash_code == Hash.SHA2_256:
            return root.digest.hex()  # its only block is the whole file
        waiting = self._found.get(file.source)
        return _sha256(file.source) if waiting is None else waiting.result()


def _sha256(path: Path) -> str:
    with path.open("rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
