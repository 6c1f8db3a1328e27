"""Making a model compute in fewer bits, with its accuracy measured.

Every function takes a verified artifact and returns another one, from the cache when it was made
before. The work is done in a child process; what was lost is in ``provenance.parity``.
"""

from ipfs_accelerate.quantize.calibration import Calibration
from ipfs_accelerate.quantize.recipes import (
    dynamic_onnx,
    half_onnx,
    static_onnx,
    static_openvino,
)

__all__ = ["Calibration", "dynamic_onnx", "half_onnx", "static_onnx", "static_openvino"]
