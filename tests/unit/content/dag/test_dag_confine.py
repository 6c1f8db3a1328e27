"""Targets of symlinks."""

from __future__ import annotations

import pytest

from ipfs_accelerate.content.dag.confine import check_symlink
from ipfs_accelerate.errors import UnsafeModelError


@pytest.mark.parametrize(
    ("path", "target"),
    [("a", "b"), ("a/b", "../c"), ("a/b/c", "../../d/e"), ("a", "./b//c"), ("a/b", "..")],
)
def test_targets_inside_are_allowed(path: str, target: str) -> None:
    check_symlink(path, target)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("a", ".."),
        ("a", "../x"),
        ("a/b", "../../x"),
        ("a", "/etc/passwd"),
        ("a", ""),
        ("a", "b\0c"),
        ("a/b", "c/../../.."),
        ("x", "d/link/.."),
    ],
)
def test_targets_that_could_leave_are_refused(path: str, target: str) -> None:
    with pytest.raises(UnsafeModelError, match="lead out"):
        check_symlink(path, target)
