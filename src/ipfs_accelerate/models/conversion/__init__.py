"""Conversion of models to ONNX graphs, proven against PyTorch and kept in a cache.

Graphs have flat, named inputs and outputs; `torch_component` gives the PyTorch runtime the same
names. A model is one ``model``, or ``encoder`` and ``decoder``, or ``text`` and ``vision`` beside
its joint ``model``. Decoders take ``past_key_values.{i}.key|value`` and give
``present.{i}.key|value``; an encoder's ``cross_key_values.{i}.key|value`` are inputs of its decoder
under the same names, computed once per input. Adding a family edits `recipes` alone.
"""

from ipfs_accelerate.models.conversion.ensure import ensure_onnx
from ipfs_accelerate.models.conversion.graph import find_components, read_component
from ipfs_accelerate.models.conversion.source import torch_component

__all__ = ["ensure_onnx", "find_components", "read_component", "torch_component"]
