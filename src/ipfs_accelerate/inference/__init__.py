"""The facade: choose a target, load once, run, fall back along a stated chain."""

from ipfs_accelerate.inference.records import hardware_record, model_record

__all__ = ["hardware_record", "model_record"]
