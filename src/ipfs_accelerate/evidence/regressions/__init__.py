"""How cases developed over time: changes of level, their causes, acknowledgement, forecast."""

from ipfs_accelerate.evidence.regressions.decisions import (
    Event,
    accept,
    accepted,
    read_events,
    store_findings,
)
from ipfs_accelerate.evidence.regressions.detect import Change, find_changes
from ipfs_accelerate.evidence.regressions.findings import Cause, Finding, Report, find_regressions
from ipfs_accelerate.evidence.regressions.forecast import Forecast, forecast_next
from ipfs_accelerate.evidence.regressions.history import (
    CaseKey,
    CaseSeries,
    Operator,
    Point,
    read_history,
)
from ipfs_accelerate.evidence.regressions.operators import (
    OperatorFinding,
    OperatorReport,
    find_operator_changes,
    read_profiles,
)
from ipfs_accelerate.evidence.regressions.planning import RunPlan, plan_runs

__all__ = [
    "CaseKey",
    "CaseSeries",
    "Cause",
    "Change",
    "Event",
    "Finding",
    "Forecast",
    "Operator",
    "OperatorFinding",
    "OperatorReport",
    "Point",
    "Report",
    "RunPlan",
    "accept",
    "accepted",
    "find_changes",
    "find_operator_changes",
    "find_regressions",
    "forecast_next",
    "plan_runs",
    "read_events",
    "read_history",
    "read_profiles",
    "store_findings",
]
