"""Families of models: what a model is, on which evidence, and what it needs of a device.

Works from names, configurations and graph inputs alone; `transformers` is not needed.
``model_types.json`` is derived from it by ``python -m ipfs_accelerate.models.families.generate``.
"""

from ipfs_accelerate.models.families.classification import Classification, Evidence, classify
from ipfs_accelerate.models.families.needs import Suitability, memory_need_bytes, suitability
from ipfs_accelerate.models.families.tasks import task_of

__all__ = [
    "Classification",
    "Evidence",
    "Suitability",
    "classify",
    "memory_need_bytes",
    "suitability",
    "task_of",
]
