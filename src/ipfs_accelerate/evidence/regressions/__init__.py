"""How cases developed over time: changes of level, their causes, acknowledgement, forecast."""

from ipfs_accelerate.evidence.regressions.decisions import accept, accepted, store_findings
from ipfs_accelerate.evidence.regressions.detect import Change, find_changes
from ipfs_accelerate.evidence.regressions.findings import Cause, Finding, Report, find_regressions
from ipfs_accelerate.evidence.regressions.forecast import Forecast, forecast_next
from ipfs_accelerate.evidence.regressions.history import (
    CaseKey,
    CaseSeries,
    Point,
    read_history,
)
from ipfs_accelerate.evidence.regressions.planning import RunPlan, plan_runs

__all__ = [
    "CaseKey",
    "CaseSeries",
    "Cause",
    "Change",
    "Finding",
    "Forecast",
    "Point",
    "Report",
    "RunPlan",
    "accept",
    "accepted",
    "find_changes",
    "find_regressions",
    "forecast_next",
    "plan_runs",
    "read_history",
    "store_findings",
]
