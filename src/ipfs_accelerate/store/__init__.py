"""The ledger: what was observed, how and where, in DuckDB.

Only this folder speaks DuckDB. It knows no runtime and no statistics.
"""

from ipfs_accelerate.store.records import (
    CaseStatus,
    HardwareRecord,
    MeasurementRecord,
    ModelRecord,
    RunRecord,
)

__all__ = [
    "CaseStatus",
    "HardwareRecord",
    "MeasurementRecord",
    "ModelRecord",
    "RunRecord",
]
