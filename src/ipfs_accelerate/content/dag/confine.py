"""What may be written to disk of a tree that others made."""

from __future__ import annotations

from ipfs_accelerate.errors import UnsafeModelError

__all__ = ["check_portable", "check_symlink"]


def check_symlink(path: str, target: str) -> None:
    """Refuse a symlink that could lead out of its tree, alone or through others.

    ``..`` may stand at the beginning only, as often as there are folders above the link: there it
    climbs real folders, while behind a name it would leave whatever that name points at.

    Args:
        path: Normal POSIX path of the link within the tree.
        target: Its text.

    Raises:
        UnsafeModelError: It is absolute, empty, holds NUL, or climbs too high or too late.
    """
    parts = [part for part in target.split("/") if part not in {"", "."}]
    climbs = 0
    while climbs < len(parts) and parts[climbs] == "..":
        climbs += 1
    is_late = ".." in parts[climbs:]
    if (
        not target
        or "\0" in target
        or target.startswith("/")
        or climbs > path.count("/")
        or is_late
    ):
        raise UnsafeModelError(
            f"symlink {path!r} could lead out of the tree: its target is {target[:200]!r}",
            hint="only relative targets inside are allowed; follow symlinks when adding",
        )


def check_portable(path: str) -> None:
    """Refuse a path that would be another one on Windows.

    Args:
        path: Normal POSIX path within the tree.

    Raises:
        UnsafeModelError: It holds a backslash.
    """
    if "\\" in path:
        raise UnsafeModelError(
            f"the name {path!r} holds a backslash, a separator on Windows",
            hint="the tree can be listed and served, but is not written to disk",
        )
