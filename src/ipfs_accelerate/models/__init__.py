"""Models: references, verified artifacts, families, conversion and sample inputs.

Nothing here runs a model on a target; PyTorch is used for conversion only, from one module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ipfs_accelerate.models.artifact import (
    Component,
    Family,
    ManifestFile,
    Modality,
    ModelArtifact,
    Provenance,
    TensorSpec,
)
from ipfs_accelerate.models.reference import ModelRef, Scheme

if TYPE_CHECKING:
    from ipfs_accelerate.models.families import Classification, classify
    from ipfs_accelerate.models.resolver import resolve, verify
    from ipfs_accelerate.models.verification import VerificationReport

__all__ = [
    "Classification",
    "Component",
    "Family",
    "ManifestFile",
    "Modality",
    "ModelArtifact",
    "ModelRef",
    "Provenance",
    "Scheme",
    "TensorSpec",
    "VerificationReport",
    "classify",
    "resolve",
    "verify",
]

# Imported when first used: the nouns above are cheap, what reads files and hubs is not.
_LATE = {
    "Classification": "families",
    "VerificationReport": "verification",
    "classify": "families",
    "resolve": "resolver",
    "verify": "resolver",
}


def __getattr__(name: str) -> object:
    home = _LATE.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
