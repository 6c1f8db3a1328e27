"""One file per task: what goes into a model of that kind, and what its outputs mean.

A module here that defines ``PIPELINE`` is a task; nothing else has to be edited to add one.
"""

from ipfs_accelerate.inference.tasks.registry import pipeline_for, tasks

__all__ = ["pipeline_for", "tasks"]
