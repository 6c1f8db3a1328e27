"""One suite per protocol that every implementation runs, and the small models it runs on."""

from ipfs_accelerate.testing.conformance.models import null_artifact, onnx_artifact

__all__ = ["null_artifact", "onnx_artifact"]
