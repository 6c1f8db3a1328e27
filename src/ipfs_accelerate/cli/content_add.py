"""``accel content add``: files and folders into the store, their CID to stdout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.content_context import Bar, open_store, profile_option, stoppable
from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.text import size

if TYPE_CHECKING:
    from ipfs_accelerate.content.importing import HashedTree

__all__ = ["add"]


@click.command(epilog="Example: accel content add ./all-MiniLM-L6-v2 --profile dedup-v1-2026")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@profile_option
@click.option("--nocopy", is_flag=True, help="Keep only where the files lie; do not change them.")
@click.option("--pin/--no-pin", default=True, help="Keep it until it is unpinned (default: pin).")
@click.option("--hash-only", is_flag=True, help="Print the CID and keep nothing.")
@json_option
def add(
    path: Path, *, profile: str | None, nocopy: bool, pin: bool, hash_only: bool, as_json: bool
) -> None:
    """Add a file or folder and print its CID.

    Hidden files are left out; symlinks are kept as symlinks.
    """
    from ipfs_accelerate.cli.content_context import the_settings
    from ipfs_accelerate.content import profile_named
    from ipfs_accelerate.content.importing import hash_tree
    from ipfs_accelerate.content.release import add_tree

    settings = the_settings()
    chosen = profile_named(profile or settings.content_profile)
    with stoppable() as cancel, Bar("hash", _bytes_below(path)) as bar:
        if hash_only:
            tree = hash_tree(path, chosen, progress=bar.to, cancel=cancel)
        else:
            with open_store(settings) as store:
                tree = add_tree(
                    path, store, chosen,
                    mode="reference" if nocopy else "auto", progress=bar.to, cancel=cancel,
                )  # fmt: skip
                if pin:
                    store.pin(tree.root)
    _report(tree, is_kept=not hash_only, is_pinned=pin and not hash_only, as_json=as_json)


def _report(tree: HashedTree, *, is_kept: bool, is_pinned: bool, as_json: bool) -> None:
    if as_json:
        emit_json(
            "content-add/1",
            {
                "cid": str(tree.root),
                "profile": tree.profile,
                "files": len(tree.files),
                "size_bytes": tree.size_bytes,
                "is_kept": is_kept,
                "is_pinned": is_pinned,
                "skipped": list(tree.skipped),
            },
        )
        return
    print(tree.root)
    what = "1 file" if len(tree.files) == 1 else f"{len(tree.files)} files"
    state = "pinned" if is_pinned else "kept until the next gc" if is_kept else "nothing kept"
    note(f"{what}, {size(tree.size_bytes)}, profile {tree.profile}, {state}")
    if tree.skipped:
        shown = ", ".join(tree.skipped[:5]) + (", …" if len(tree.skipped) > 5 else "")
        note(f"left out: {shown}")


def _bytes_below(path: Path) -> int | None:
    """Bytes to hash, for the bar; a file that vanishes meanwhile counts as nothing."""
    import os

    if path.is_file():
        return path.stat().st_size
    total = 0
    for base, _, names in os.walk(path):
        for name in names:
            file = Path(base) / name
            if not name.startswith(".") and file.is_file():
                total += file.stat().st_size
    return total
