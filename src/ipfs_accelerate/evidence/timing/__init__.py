"""How fast the key model classes are on every target: ranks, limits, trends, advice; pure.

Reading is in `store.timing`, pages are in `evidence.report.timing`.
"""

from ipfs_accelerate.evidence.timing.advice import Advice
from ipfs_accelerate.evidence.timing.build import timing_report
from ipfs_accelerate.evidence.timing.classes import KEY_CLASSES, KeyClass, class_of, find_classes
from ipfs_accelerate.evidence.timing.limits import Limit
from ipfs_accelerate.evidence.timing.ranking import Pair, Places, compare_pair, rank_rows
from ipfs_accelerate.evidence.timing.report import ClassReport, GridCell, Ranking, TimingReport
from ipfs_accelerate.evidence.timing.trends import FEWEST_RUNS, Trend, find_trends

__all__ = [
    "FEWEST_RUNS",
    "KEY_CLASSES",
    "Advice",
    "ClassReport",
    "GridCell",
    "KeyClass",
    "Limit",
    "Pair",
    "Places",
    "Ranking",
    "TimingReport",
    "Trend",
    "class_of",
    "compare_pair",
    "find_classes",
    "find_trends",
    "rank_rows",
    "timing_report",
]
