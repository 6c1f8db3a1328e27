"""The sweep over every configuration class of `transformers`: does it work, and on which runtime?

Each class is made tiny by rules, given seeded random weights, run by PyTorch, exported, and run by
the graph runtimes, in a process of its own. What follows from the verdicts is in `evidence.matrix`.
"""

from ipfs_accelerate.bench.sweep.classes import ConfigClass, config_classes, select
from ipfs_accelerate.bench.sweep.plan import SweepRequest, plan_sweep
from ipfs_accelerate.bench.sweep.run import SweepResult, run_sweep

__all__ = [
    "ConfigClass",
    "SweepRequest",
    "SweepResult",
    "config_classes",
    "plan_sweep",
    "run_sweep",
    "select",
]
