"""Releases: one version of a model as a signed manifest over content identifiers.

Making, fetching, comparing and verifying them. Where blocks come from is the exchange's; what a
model is, `ipfs_accelerate.models` knows.
"""

from ipfs_accelerate.content.release.comparing import Diff, FileChange, diff
from ipfs_accelerate.content.release.contents import (
    Contents,
    iter_layouts,
    open_contents,
    range_map,
)
from ipfs_accelerate.content.release.fetching import Fetched, bring_block, fetch
from ipfs_accelerate.content.release.keeping import add_tree
from ipfs_accelerate.content.release.keys import KeyRing, PublicKey, SigningKey
from ipfs_accelerate.content.release.manifest import HubCommit, Release, ReleaseFile
from ipfs_accelerate.content.release.publishing import Draft, publish
from ipfs_accelerate.content.release.signing import (
    SignedRelease,
    Trust,
    is_release,
    read_release,
    sign_release,
)
from ipfs_accelerate.content.release.verifying import VerifyReport, verify, verify_copy

__all__ = [
    "Contents",
    "Diff",
    "Draft",
    "Fetched",
    "FileChange",
    "HubCommit",
    "KeyRing",
    "PublicKey",
    "Release",
    "ReleaseFile",
    "SignedRelease",
    "SigningKey",
    "Trust",
    "VerifyReport",
    "add_tree",
    "bring_block",
    "diff",
    "fetch",
    "is_release",
    "iter_layouts",
    "open_contents",
    "publish",
    "range_map",
    "read_release",
    "sign_release",
    "verify",
    "verify_copy",
]
