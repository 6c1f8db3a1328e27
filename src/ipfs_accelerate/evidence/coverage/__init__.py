"""What was measured, what no longer counts, and what is worth measuring next.

`judge`, `beliefs`, `priority` and `grid` are pure; `wanted`, `machine` and `plan` look at the
ledger and this machine. Running the chosen cells is the benchmark's.
"""

from ipfs_accelerate.evidence.coverage.cells import (
    Cell,
    Cost,
    Estimate,
    Rules,
    State,
    Verdict,
    Wanted,
)
from ipfs_accelerate.evidence.coverage.grid import CoverageGrid, Share, coverage_grid, shares
from ipfs_accelerate.evidence.coverage.judge import judge
from ipfs_accelerate.evidence.coverage.plan import CoveragePlan, PlanRequest, plan_coverage
from ipfs_accelerate.evidence.coverage.priority import Choice, choose

__all__ = [
    "Cell",
    "Choice",
    "Cost",
    "CoverageGrid",
    "CoveragePlan",
    "Estimate",
    "PlanRequest",
    "Rules",
    "Share",
    "State",
    "Verdict",
    "Wanted",
    "choose",
    "coverage_grid",
    "judge",
    "plan_coverage",
    "shares",
]
