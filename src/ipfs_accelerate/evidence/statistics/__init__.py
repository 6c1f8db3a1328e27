"""Statistics of measurements: intervals, effects, plans, many comparisons, outliers, correlation.

Everything takes raw samples in order and says when it cannot answer. What measuring itself needs
(the interval of a median, the comparison of two series) lives in `bench`.
"""

from ipfs_accelerate.bench.quantiles import QuantileInterval, quantile_interval
from ipfs_accelerate.evidence.statistics.clock import (
    ClockStep,
    clock_resolution_ns,
    impossible_readings,
    wall_steps,
)
from ipfs_accelerate.evidence.statistics.correlation import Correlation, correlate
from ipfs_accelerate.evidence.statistics.early_stopping import EarlyStop, early_stop, h_min
from ipfs_accelerate.evidence.statistics.effects import EffectSizes, effect_sizes
from ipfs_accelerate.evidence.statistics.multiplicity import adjust
from ipfs_accelerate.evidence.statistics.outliers import modified_z, outliers, z_scores
from ipfs_accelerate.evidence.statistics.planning import (
    Noise,
    minimum_detectable,
    noise_of,
    runs_needed,
    samples_needed,
)

__all__ = [
    "ClockStep",
    "Correlation",
    "EarlyStop",
    "EffectSizes",
    "Noise",
    "QuantileInterval",
    "adjust",
    "clock_resolution_ns",
    "correlate",
    "early_stop",
    "effect_sizes",
    "h_min",
    "impossible_readings",
    "minimum_detectable",
    "modified_z",
    "noise_of",
    "outliers",
    "quantile_interval",
    "runs_needed",
    "samples_needed",
    "wall_steps",
    "z_scores",
]
