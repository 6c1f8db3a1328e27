"""Proof that content is what it is said to be: every block, every file, every signature.

Nothing is raised for what is found; the report says it all.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Codec
from ipfs_accelerate.content.reading import iter_file
from ipfs_accelerate.content.release.contents import Contents, iter_layouts, open_contents
from ipfs_accelerate.errors import AccelerateError, BlockMismatchError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ipfs_accelerate.content.blocks import BlockReader, FileLayout, Leaf, TreeEntry
    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.release.signing import Trust

__all__ = ["FileVerdict", "VerifyReport", "verify", "verify_copy"]


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """What was found about one file.

    Attributes:
        path: POSIX path from the root.
        size_bytes: Its size as its DAG says.
        blocks: Blocks of it that were checked.
        problem: Why it must not be used; ``None`` when it may.
    """

    path: str
    size_bytes: int
    blocks: int
    problem: AccelerateError | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The result.

    Attributes:
        contents: What was checked.
        files: Every file, in the order of the tree.
        problems: Those of the whole (signature, tree); files carry their own.
        signer: The trusted key that signed it; ``None`` when there is none.
    """

    contents: Contents
    files: tuple[FileVerdict, ...]
    problems: tuple[AccelerateError, ...] = ()
    signer: str | None = None

    @property
    def all_problems(self) -> tuple[AccelerateError, ...]:
        """Every problem."""
        return (*self.problems, *(f.problem for f in self.files if f.problem is not None))

    @property
    def is_ok(self) -> bool:
        """Whether everything is as it should be."""
        return not self.all_problems

    @property
    def blocks(self) -> int:
        """Blocks checked."""
        return sum(file.blocks for file in self.files)

    @property
    def size_bytes(self) -> int:
        """Bytes of the files."""
        return sum(file.size_bytes for file in self.files)


class _Strict:
    """A reader that hashes every block it hands out, whatever the one below promises."""

    def __init__(self, reader: BlockReader) -> None:
        self._reader = reader
        self.blocks = 0

    def get(self, cid: Cid) -> bytes:
        data = self._reader.get(cid)
        cid.verify(data)
        self.blocks += 1
        return data

    def has(self, cid: Cid) -> bool:
        return self._reader.has(cid)


def verify(
    cid: Cid,
    reader: BlockReader,
    *,
    trust: Trust | None = None,
    progress: Callable[[int], None] | None = None,
) -> VerifyReport:
    """Check a release or tree in a store: every block, each file's sha256, the signature.

    Args:
        cid: Its root.
        reader: The store.
        trust: Whose signature counts; signatures are only proven, not judged, when ``None``.
        progress: Called with the number of bytes after each leaf.

    Raises:
        ContentNotFoundError: The root itself is not here.
        ContentFormatError: The root is no release and no tree.
    """
    strict = _Strict(reader)
    contents = open_contents(cid, strict)
    digests = _digests(contents)
    checks = _in_store(strict, digests, progress)
    return _report(contents, strict, trust, checks)


def verify_copy(
    directory: Path,
    cid: Cid,
    reader: BlockReader,
    *,
    trust: Trust | None = None,
    progress: Callable[[int], None] | None = None,
) -> VerifyReport:
    """Check the files of a folder against a release or tree whose nodes are in a store.

    Each leaf is hashed where it lies in the file, so the problem says which bytes are wrong. What
    lies in the folder beside the tree is a problem too; hidden files are not looked at.

    Raises:
        ContentNotFoundError: The root itself is not in the store.
        ContentFormatError: The root is no release and no tree.
    """
    strict = _Strict(reader)
    contents = open_contents(cid, strict)
    digests = _digests(contents)

    def check(entry: TreeEntry, layout: FileLayout) -> FileVerdict:
        file = directory / entry.path if entry.path else directory
        problem = _problem(lambda: _leaves_in(file, layout, progress))
        if problem is None and entry.path in digests:
            problem = _problem(lambda: _same_digest(entry.path, _hashed(file), digests))
        return FileVerdict(entry.path, entry.size_bytes, len(layout.leaves), problem)

    report = _report(contents, strict, trust, check)
    extra = _extra(directory, {verdict.path for verdict in report.files})
    return VerifyReport(contents, report.files, (*report.problems, *extra), report.signer)


def _report(
    contents: Contents,
    reader: BlockReader,
    trust: Trust | None,
    check: Callable[[TreeEntry, FileLayout], FileVerdict],
) -> VerifyReport:
    problems: list[AccelerateError] = []
    files: list[FileVerdict] = []
    signer: str | None = None
    try:
        if trust is not None and contents.signed is not None:
            found = trust.check(contents.signed)
            signer = None if found is None else str(found)
    except AccelerateError as error:
        problems.append(error)
    try:
        for entry in contents.entries(reader):
            files.extend(_one(entry, reader, check))
    except AccelerateError as error:
        problems.append(error)
    return VerifyReport(contents, tuple(files), tuple(problems), signer)


def _one(
    entry: TreeEntry,
    reader: BlockReader,
    check: Callable[[TreeEntry, FileLayout], FileVerdict],
) -> Iterator[FileVerdict]:
    try:
        for _, layout in iter_layouts((entry,), reader):
            yield check(entry, layout)
    except AccelerateError as error:
        yield FileVerdict(entry.path, entry.size_bytes, 0, error)


def _in_store(
    reader: _Strict, digests: dict[str, str], progress: Callable[[int], None] | None
) -> Callable[[TreeEntry, FileLayout], FileVerdict]:
    def check(entry: TreeEntry, layout: FileLayout) -> FileVerdict:
        before = reader.blocks
        digest = hashlib.sha256()

        def read() -> None:
            for piece in iter_file(layout.root, reader):
                digest.update(piece)
                if progress:
                    progress(len(piece))
            _same_digest(entry.path, digest.hexdigest(), digests)

        problem = _problem(read)
        return FileVerdict(entry.path, entry.size_bytes, reader.blocks - before, problem)

    return check


def _problem(work: Callable[[], None]) -> AccelerateError | None:
    try:
        work()
    except AccelerateError as error:
        return error
    return None


def _digests(contents: Contents) -> dict[str, str]:
    return {file.path: file.sha256 for file in contents.release.files} if contents.release else {}


def _same_digest(path: str, found: str, digests: dict[str, str]) -> None:
    if path in digests and digests[path] != found:
        raise IntegrityError(
            f"{path} has sha256 {found}, not {digests[path]} as released",
            details={"expected": digests[path], "found": found},
        )


def _leaves_in(file: Path, layout: FileLayout, progress: Callable[[int], None] | None) -> None:
    if file.is_symlink() or not file.is_file():
        raise IntegrityError(f"{file} is missing", details={"missing": str(file)})
    size = file.stat().st_size
    if size != layout.size_bytes:
        raise IntegrityError(f"{file} has {size} bytes, not {layout.size_bytes}")
    with file.open("rb", buffering=0) as stream:
        for leaf in layout.leaves:
            _leaf_at(file, stream.fileno(), leaf)
            if progress:
                progress(leaf.size_bytes)


def _leaf_at(file: Path, descriptor: int, leaf: Leaf) -> None:
    data = os.pread(descriptor, leaf.size_bytes, leaf.offset)
    if leaf.cid.codec == Codec.DAG_PB:
        from ipfs_accelerate.content.dag.unixfs import wrap_leaf

        data = wrap_leaf(data)
    try:
        leaf.cid.verify(data)
    except BlockMismatchError as error:
        end = leaf.offset + leaf.size_bytes
        raise IntegrityError(
            f"{file} is wrong in the bytes {leaf.offset:,} to {end:,}",
            hint="fetch it again",
            details={"offset": leaf.offset, "size_bytes": leaf.size_bytes, "cid": str(leaf.cid)},
        ) from error


def _hashed(file: Path) -> str:
    with file.open("rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _extra(directory: Path, known: set[str]) -> Iterator[AccelerateError]:
    if not directory.is_dir():
        return
    for base, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = (Path(base) / name).relative_to(directory).as_posix()
            if path not in known and not name.startswith("."):
                yield IntegrityError(f"{directory / path} is not part of the tree")
