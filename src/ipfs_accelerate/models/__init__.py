"""Models: references, verified artifacts, families, conversion and sample inputs.

Nothing here runs a model on a target; PyTorch is used for conversion only, from one module.
"""

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

__all__ = [
    "Component",
    "Family",
    "ManifestFile",
    "Modality",
    "ModelArtifact",
    "ModelRef",
    "Provenance",
    "Scheme",
    "TensorSpec",
]
