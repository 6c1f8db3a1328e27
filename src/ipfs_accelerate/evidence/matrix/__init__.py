"""Which class of model works on which target, and how that changed: verdicts only, no times."""

from ipfs_accelerate.evidence.matrix.build import (
    Cell,
    FailureGroup,
    Matrix,
    MatrixRow,
    build_matrix,
    read_matrix,
)
from ipfs_accelerate.evidence.matrix.changes import Change, changes_of

__all__ = [
    "Cell",
    "Change",
    "FailureGroup",
    "Matrix",
    "MatrixRow",
    "build_matrix",
    "changes_of",
    "read_matrix",
]
