"""One suite per protocol that every implementation runs, and the small models it runs on.

The suites need pytest and are imported from their own modules: `conformance.runtime`.
"""

from ipfs_accelerate.testing.conformance.models import (
    null_artifact,
    onnx_artifact,
    reference_outputs,
)

__all__ = ["null_artifact", "onnx_artifact", "reference_outputs"]
