"""Content by its CID into a folder a model is loaded from: what may be there, and its receipt.

``<cache_dir>/ipfs/<cid>/`` holds the files, linked to the block store where the file system can;
``<cid>.json`` beside it is the receipt that later starts are checked against.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import (
    InputError,
    ModelFormatError,
    ModelReferenceError,
    UnsafeModelError,
)
from ipfs_accelerate.models.kinds import choose, kinds_of
from ipfs_accelerate.models.manifest import Expected, FactCache, read_manifest, write_manifest
from ipfs_accelerate.models.verification_onnx import external_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.content import Cid, TreeEntry
    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.release import Contents
    from ipfs_accelerate.models.kinds import Choice
    from ipfs_accelerate.models.reference import ModelRef

__all__ = ["Placed", "bring_content", "place", "receipt_of"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Placed:
    """Content that lies where models are loaded from.

    Attributes:
        directory: The folder.
        files: Paths below it.
        left_out: Path → why it is not there.
    """

    directory: Path
    files: tuple[str, ...]
    left_out: Mapping[str, str]


def bring_content(
    ref: ModelRef, cache_dir: Path, *, settings: Settings, allow_pickle: bool = False
) -> Path:
    """Fetch what an ``ipfs://`` reference names and place what may be used of it.

    Returns:
        The folder; the file where the reference names a single one.

    Raises:
        ContentNotFoundError: No source has it; its details say who was asked.
        SignatureError: It is a release that nobody trusted signed.
        UnsafeModelError: All of its weights are pickles.
        ModelReferenceError: It is no CID, or of a single file without a name.
    """
    from filelock import FileLock

    from ipfs_accelerate.content import Cid

    cid = Cid.parse(ref.location)
    name = str(cid.to_v1()) + ("+pickles" if allow_pickle else "")
    if ref.subpath:
        name += "+" + ref.subpath.strip("/").replace("/", "+")
    directory = cache_dir / "ipfs" / name
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{directory}.lock"):
        if not _is_whole(directory):
            _bring(cid, ref, directory, settings=settings, allow_pickle=allow_pickle)
    single = json.loads(receipt_of(directory).read_bytes()).get("single")
    return directory if single is None else directory / str(single)


def place(
    contents: Contents,
    entries: tuple[TreeEntry, ...],
    store: FileBlockStore,
    directory: Path,
    *,
    allow_pickle: bool = False,
) -> Placed:
    """Put the files of a model that are in a store into a folder; nothing else of the tree.

    Raises:
        UnsafeModelError: All of its weights are pickles, or a path leads out of the folder.
        ContentNotFoundError: Not all of a file is in the store.
        DiskFullError: No space for a copy.
    """
    files = {e.path: e for e in entries if e.kind == "file"}
    stated = {file.path: file.kind for file in contents.release.files} if contents.release else {}
    choice = choose({path: stated.get(path) for path in files}, allow_pickle=allow_pickle)
    _refuse_pickles_alone(contents, choice)
    directory.mkdir(parents=True, exist_ok=True)
    for path in choice.placed:
        _place_file(store, files[path].cid, directory / path)
    companions = _companions(directory, choice)
    for path in companions:
        _place_file(store, files[path].cid, directory / path)
    left_out = {path: why for path, why in choice.left_out.items() if path not in companions}
    left_out |= {e.path: "a symlink" for e in entries if e.kind == "symlink"}
    return Placed(directory, tuple(sorted([*choice.placed, *companions])), left_out)


def receipt_of(directory: Path) -> Path:
    """Where the receipt of a placed folder lies."""
    return directory.with_name(directory.name + ".json")


def _bring(
    cid: Cid, ref: ModelRef, directory: Path, *, settings: Settings, allow_pickle: bool
) -> None:
    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.insight import note_transfer
    from ipfs_accelerate.content.release import fetch
    from ipfs_accelerate.content.resolving import (
        configured_sources,
        origins_of,
        path_in,
        trust_of,
    )

    settings.content_path.mkdir(parents=True, exist_ok=True)
    with FileBlockStore(settings.content_path) as store, configured_sources(settings) as sources:
        trust = trust_of(settings)
        target, name = path_in(cid, ref.subpath or "", store, sources, trust=trust)
        found = fetch(target, store, sources, trust=trust, origins=origins_of(settings))
        note_transfer(settings, found.report)
        entries = found.contents.entries(store)
        if len(entries) == 1 and entries[0].kind == "file":
            entries = (_named(entries[0], name, ref),)
        placed = place(found.contents, entries, store, directory, allow_pickle=allow_pickle)
    facts: dict[str, object] = {"ref": str(ref), "cid": str(found.contents.cid)}
    if entries[0].path:
        facts["single"] = entries[0].path
    if found.contents.release is not None:
        facts |= {"release": found.contents.release.name, "tag": found.contents.release.tag}
        facts["signer"] = None if found.signer is None else str(found.signer)
    _write_receipt(
        placed, entries, found.contents, facts, FactCache(settings.home / "facts.sqlite")
    )


def _write_receipt(
    placed: Placed,
    entries: tuple[TreeEntry, ...],
    contents: Contents,
    facts: Mapping[str, object],
    cache: FactCache,
) -> None:
    digests = {f.path: f.sha256 for f in contents.release.files} if contents.release else {}
    roots = {entry.path: entry for entry in entries}
    rows = [
        Expected(
            path,
            roots[path].size_bytes,
            sha256=digests.get(path) or cache.sha256(placed.directory / path),
            cid=str(roots[path].cid),
        )
        for path in placed.files
    ]
    for path, why in sorted(placed.left_out.items()):
        logger.info("%s was not placed in %s: %s", path, placed.directory, why)
    extra = {**facts, "left_out": dict(placed.left_out)}
    write_manifest(receipt_of(placed.directory), rows, extra=extra)


def _is_whole(directory: Path) -> bool:
    """Whether an earlier start placed everything; contents are checked by whoever verifies."""
    receipt = receipt_of(directory)
    try:
        rows = read_manifest(receipt).values() if receipt.is_file() else ()
    except ModelFormatError:
        logger.warning("%s is unreadable; the content will be placed again", receipt)
        return False
    return bool(rows) and all(
        (directory / row.path).is_file() and (directory / row.path).stat().st_size == row.size_bytes
        for row in rows
    )


def _named(entry: TreeEntry, name: str, ref: ModelRef) -> TreeEntry:
    from dataclasses import replace

    if not name:
        raise ModelReferenceError(
            f"{ref} is a single file, and a CID says no name",
            hint="give the folder that holds it: ipfs://<folder>/<name>",
        )
    return replace(entry, path=name)


def _place_file(store: FileBlockStore, root: Cid, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        store.place_tree(root, target)
    except InputError:  # something else is there: a damaged copy in a folder of ours
        target.unlink()
        store.place_tree(root, target)


def _companions(directory: Path, choice: Choice) -> list[str]:
    """Files left out that are the external data of a graph that was placed."""
    found: set[str] = set()
    for path in choice.placed:
        if path.endswith(".onnx") and any(
            w == "not part of a model" for w in choice.left_out.values()
        ):
            folder = PurePosixPath(path).parent
            found.update(str(folder / name) for name in external_files(directory / path))
    stated = {p: "onnx_data" if p in found else None for p in choice.left_out}
    return [p for p in choose(stated).placed if p in found]


def _refuse_pickles_alone(contents: Contents, choice: Choice) -> None:
    weights = {"safetensors", "onnx", "pytorch_bin", "openvino", "gguf", "tflite"}
    kinds = kinds_of([*choice.placed, *choice.left_out])
    pickles = [p for p in choice.left_out if kinds[p] == "pytorch_bin"]
    if pickles and not any(kinds[p] in weights for p in choice.placed):
        raise UnsafeModelError(
            f"{contents.cid} holds only pickled weights ({pickles[0]}); reading them can run code",
            hint="choose a version with safetensors or ONNX, or pass allow_pickle=True"
            " (--allow-pickle) if you trust its publisher",
        )
