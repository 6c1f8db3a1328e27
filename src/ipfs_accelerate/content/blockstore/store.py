"""The store: blocks and files, and their upkeep: pins, collection, checks, placing."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ipfs_accelerate.content.blockstore.checking import Checking, CheckReport
from ipfs_accelerate.content.blockstore.core import BlockFiles
from ipfs_accelerate.content.blockstore.faults import os_faults
from ipfs_accelerate.content.blockstore.healing import Healing
from ipfs_accelerate.content.blockstore.hubcache import Snapshot
from ipfs_accelerate.content.blockstore.index import SAME_FILE, file_key
from ipfs_accelerate.content.blockstore.marking import Graph
from ipfs_accelerate.content.blockstore.opening import MARKER, mark_present
from ipfs_accelerate.content.blockstore.pins import Pin
from ipfs_accelerate.content.blockstore.placing import LinkMode, Placed, place_entries
from ipfs_accelerate.content.blockstore.rebuilding import RebuildReport, set_aside
from ipfs_accelerate.content.blockstore.tensors import SafeTensors
from ipfs_accelerate.content.cid import Cid, Codec, Hash
from ipfs_accelerate.errors import InputError, ModelFormatError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from ipfs_accelerate.content.blocks import BlockReader

__all__ = ["FileBlockStore", "StoreStats"]


@dataclass(frozen=True, slots=True)
class StoreStats:
    """How full a store is.

    Attributes:
        blocks: Small blocks and ranges of files.
        files: Whole files, those of the user (references) too.
        references: Files of the user.
        unfinished: Files being put together, or left so.
        size_bytes: Bytes on disk; an unfinished file counts in full, a reference not at all.
        pins: Pins.
    """

    blocks: int
    files: int
    references: int
    unfinished: int
    size_bytes: int
    pins: int


class FileBlockStore(BlockFiles):
    """Blocks in a directory; any number of threads and processes may use it at once.

    What is promised: after a killed process nothing half-written is visible, and at most the
    last 50 ms of single blocks are lost, whole. What `add_file` and `Assembly.finish` returned
    from also survives a power loss. Everything else that was not synced when the machine went
    down is hashed again before it is used. Nothing that does not hash to its name is ever kept.

    Args:
        directory: Made when absent.
        verify_reads: Hash ranges of files on every read. Without it they are trusted as long as
            the file's size, time and inode are those recorded when the bytes were proved; bits
            that rotted silently are found by `check`. Blocks outside files are always hashed.
        quota_bytes: Most bytes to hold; collects, then refuses, what would go beyond.

    Raises:
        StoreCorruptError: The index is lost or damaged; see `rebuild_index`.
        SchemaTooNewError: A newer version made the store.
        DiskFullError: No space.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        verify_reads: bool = False,
        quota_bytes: int | None = None,
    ) -> None:
        super().__init__(
            Path(directory).absolute(),
            verify_reads=verify_reads,
            quota_bytes=quota_bytes,
            is_new=False,
        )

    # Who may stay

    def pin(self, cid: Cid, *, name: str = "", is_recursive: bool = True) -> None:
        """Never collect a block, and (recursive) whatever of the DAG below it is or gets here."""
        self._batch.flush()
        self._pins.add(Pin(cid, name, is_recursive))

    def unpin(self, cid: Cid, *, name: str = "") -> None:
        """Take a pin away; pins of the same CID under other names stay.

        Raises:
            ContentNotFoundError: There is no such pin.
        """
        self._pins.remove(cid, name)

    def pins(self) -> list[Pin]:
        """Every pin, by name."""
        return self._pins.all()

    def roots(self) -> list[Cid]:
        """Everything here that no block here links to, and everything pinned."""
        self._batch.flush()
        with self._index.transaction() as reader:
            found = Graph(reader, self._folder).roots()
        return sorted({*found, *(pin.cid for pin in self.pins())}, key=lambda cid: cid.raw)

    def stats(self) -> StoreStats:
        """How full the store is."""
        self._batch.flush()
        (row,) = self._index.rows(
            "SELECT (SELECT COUNT(*) FROM nodes) + (SELECT COUNT(*) FROM ranges),"
            " COUNT(*) FILTER (WHERE is_complete AND kind != 'blob'),"
            " COUNT(*) FILTER (WHERE kind = 'reference'),"
            " COUNT(*) FILTER (WHERE kind = 'incoming'),"
            " (SELECT COUNT(*) FROM pins) FROM extents"
        )
        blocks, files, references, unfinished, pins = row
        return StoreStats(blocks, files, references, unfinished, self._usage_bytes(), pins)

    # Damage

    def check(
        self,
        heal_from: BlockReader | Callable[[Cid], bytes] | None = None,
        *,
        sample: int | None = None,
        generator: np.random.Generator | None = None,
    ) -> CheckReport:
        """Hash what is kept again; what is damaged is never served from then on.

        Args:
            heal_from: Where to get good blocks for damaged ones, now and of earlier checks;
                what it gives is verified.
            sample: Blocks to hash of each file that looks untouched; ``None`` hashes all.
            generator: Draws the sample; needed with ``sample``.

        Raises:
            InputError: A sample without a generator.
            StoreCorruptError: The index itself is damaged.
            DiskFullError: No space to heal.
        """
        if sample is not None and generator is None:
            raise InputError("a sample needs a seeded generator")
        self._batch.flush()
        checking = Checking(self._index, self._folder, sample, generator)
        checking.run()
        healed: list[Cid] = []
        if heal_from is not None:
            healing = Healing(self, self._index, self._folder, heal_from)
            healing.files()
            healing.blocks()
            self._batch.flush()
            healed = healing.healed
        found = checking.found
        return CheckReport(
            found.blocks,
            found.size_bytes,
            tuple(dict.fromkeys(found.damaged)),
            tuple(dict.fromkeys(healed)),
            found.accepted,
            self._collecting.remove_rubbish(),
            checking.broken(),
        )

    @classmethod
    def rebuild_index(cls, directory: str | os.PathLike[str]) -> RebuildReport:
        """Make a new index from the files, hashing all of them; no process may use the store.

        The old index is renamed, not deleted. References to files of the user are lost.

        Raises:
            StoreCorruptError: The copy of the pins is damaged.
            DiskFullError: No space.
        """
        where = Path(directory).absolute()
        with os_faults(f"rebuilding {where}"):
            (where / MARKER).unlink(missing_ok=True)
            set_aside(where)
        with BlockFiles(where, verify_reads=False, quota_bytes=None, is_new=True) as store:
            report = store.restore()
        mark_present(where)
        return report

    # For others to use

    def place_tree(
        self,
        root: Cid,
        directory: str | os.PathLike[str],
        *,
        link: Literal["auto", "hardlink", "reflink", "copy"] = "auto",
    ) -> list[Placed]:
        """Put a tree (or a single file) into a folder; says how each file was placed.

        Args:
            root: Of a directory, or of a file, which then becomes ``directory`` itself.
            directory: Made when absent; equal files that are there are kept.
            link: ``auto`` takes the first that works: a hard link (read-only, shared with the
                store), a reflink, a copy. Files kept by reference are never hard-linked.

        Raises:
            ContentNotFoundError: Not all of the tree is here.
            UnsafeModelError: A name or symlink leads out of the folder.
            InputError: Something else is in the way, or the mode is unknown.
            StoreError: The mode that was asked for is not possible between these folders.
            DiskFullError: No space for a copy.
        """
        from ipfs_accelerate.content.reading import iter_tree

        if link not in set(LinkMode):
            raise InputError(f"unknown link {link!r}", hint=", ".join(LinkMode))
        with self.protecting(root):
            self._touch(root)
            entries = list(iter_tree(root, self))
            return place_entries(entries, Path(directory).absolute(), self, LinkMode(link))

    def place_in_hub_cache(
        self,
        repo_id: str,
        revision: str,
        *,
        tree_root: Cid,
        cache_dir: str | os.PathLike[str],
    ) -> Path:
        """Make a tree look downloaded to whoever reads huggingface_hub's cache.

        Args:
            repo_id: ``org/name``.
            revision: A commit of 40 hex digits, or a branch or tag, which then stands for a
                commit made of the root's digest.
            tree_root: Of the directory with the model's files.
            cache_dir: The cache, such as ``~/.cache/huggingface/hub``.

        Returns:
            The folder of the snapshot.

        Raises:
            InputError: A name is not valid, or something else is in the way.
            ContentNotFoundError: Not all of the tree is here.
            UnsafeModelError: The tree has symlinks or unsafe names.
            DiskFullError: No space for a copy.
        """
        from ipfs_accelerate.content.reading import iter_tree

        with self.protecting(tree_root):
            self._touch(tree_root)
            snapshot = Snapshot(repo_id, revision, tree_root, Path(cache_dir).absolute())
            snapshot.place(list(iter_tree(tree_root, self)), self, self._sha256)
        return snapshot.directory

    def open_safetensors(self, root: Cid) -> SafeTensors:
        """Map a safetensors file of the store: nothing is copied, pages load as they are used.

        Raises:
            ContentNotFoundError: Not all of it is here.
            ModelFormatError: It is not valid safetensors.
        """
        path, _ = self.whole_file(root)
        if not path.stat().st_size:
            raise ModelFormatError(f"{root} is empty, not safetensors")
        return SafeTensors(path)

    def _touch(self, root: Cid) -> None:
        self._batch.touch(root.multihash)

    def _sha256(self, root: Cid, path: Path) -> str:
        """Of the whole file; for a single raw block its name tells it."""
        if root.codec == Codec.RAW and root.hash_code == Hash.SHA2_256:
            return root.digest.hex()
        where = f" FROM extents WHERE {SAME_FILE} AND is_complete AND sha256 IS NOT NULL"
        known = self._index.rows("SELECT sha256" + where, file_key(root))
        if known:
            return bytes(known[0][0]).hex()
        with os_faults(f"reading {path}"), path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").digest()
        with self._index.transaction() as writer:
            writer.execute(
                f"UPDATE extents SET sha256 = ? WHERE {SAME_FILE} AND is_complete",  # noqa: S608 (a constant of ours)
                (digest, *file_key(root)),
            )
        return digest.hex()
