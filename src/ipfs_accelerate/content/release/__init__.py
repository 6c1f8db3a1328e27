"""Releases: one version of a model as a signed manifest over content identifiers.

Making, fetching, comparing and verifying them. Where blocks come from is the exchange's; what a
model is, the models' folder knows and tells through `Kinds`.
"""

from ipfs_accelerate.content.release.keys import KeyRing, PublicKey, SigningKey
from ipfs_accelerate.content.release.manifest import HubCommit, Release, ReleaseFile
from ipfs_accelerate.content.release.signing import (
    SignedRelease,
    Trust,
    is_release,
    read_release,
    sign_release,
)

__all__ = [
    "HubCommit",
    "KeyRing",
    "PublicKey",
    "Release",
    "ReleaseFile",
    "SignedRelease",
    "SigningKey",
    "Trust",
    "is_release",
    "read_release",
    "sign_release",
]
