"""The ledger: what was observed, how and where, in DuckDB.

Only this folder speaks DuckDB. It knows no runtime and no statistics of measurements.
"""

from ipfs_accelerate.store.export import export_results
from ipfs_accelerate.store.importing import (
    ImportOptions,
    ImportReport,
    RefusedRecord,
    find_files,
    import_json,
)
from ipfs_accelerate.store.ledger import Ledger
from ipfs_accelerate.store.query import QueryResult
from ipfs_accelerate.store.reading import Criteria
from ipfs_accelerate.store.records import (
    AvailabilityRecord,
    CaseStatus,
    CompatibilityRecord,
    HardwareRecord,
    MeasurementRecord,
    ModelRecord,
    RunRecord,
)
from ipfs_accelerate.store.statistics import LedgerStats

__all__ = [
    "AvailabilityRecord",
    "CaseStatus",
    "CompatibilityRecord",
    "Criteria",
    "HardwareRecord",
    "ImportOptions",
    "ImportReport",
    "Ledger",
    "LedgerStats",
    "MeasurementRecord",
    "ModelRecord",
    "QueryResult",
    "RefusedRecord",
    "RunRecord",
    "export_results",
    "find_files",
    "import_json",
]
