"""The ledger: what was observed, how and where, in DuckDB.

Only this folder speaks DuckDB. It knows no runtime and no statistics of measurements.
"""

from ipfs_accelerate.store.adopt import AdoptionReport, adopt_published, is_published
from ipfs_accelerate.store.compatibility import (
    StoredVerdict,
    Verdict,
    VerdictRecord,
    read_verdicts,
)
from ipfs_accelerate.store.content import SourceTransferRecord, TransferRecord
from ipfs_accelerate.store.export import export_results
from ipfs_accelerate.store.gateway import GatewayCallRecord
from ipfs_accelerate.store.importing import (
    ImportOptions,
    ImportReport,
    RefusedRecord,
    find_files,
    import_json,
)
from ipfs_accelerate.store.ledger import Ledger
from ipfs_accelerate.store.legacy import LegacyContext, RefusedError, legacy_measurement
from ipfs_accelerate.store.profiling import ProfileMetric, ProfileRecord
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
    "AdoptionReport",
    "AvailabilityRecord",
    "CaseStatus",
    "CompatibilityRecord",
    "Criteria",
    "GatewayCallRecord",
    "HardwareRecord",
    "ImportOptions",
    "ImportReport",
    "Ledger",
    "LedgerStats",
    "LegacyContext",
    "MeasurementRecord",
    "ModelRecord",
    "ProfileMetric",
    "ProfileRecord",
    "QueryResult",
    "RefusedError",
    "RefusedRecord",
    "RunRecord",
    "SourceTransferRecord",
    "StoredVerdict",
    "TransferRecord",
    "Verdict",
    "VerdictRecord",
    "adopt_published",
    "export_results",
    "find_files",
    "import_json",
    "is_published",
    "legacy_measurement",
    "read_verdicts",
]
