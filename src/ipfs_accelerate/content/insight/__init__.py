"""What moved, what it saved, and what another network would do with it.

Fetches go into the ledger here and are summed up; networks are simulated with the policy of real
nodes; what suits a network is predicted. Pictures of it are `evidence.figures`.
"""

from ipfs_accelerate.content.insight.recommendation import Option, Recommendation, recommend
from ipfs_accelerate.content.insight.recording import (
    ORIGIN_KINDS,
    note_transfer,
    record_transfer,
    transfer_record,
)
from ipfs_accelerate.content.insight.simulation import (
    Network,
    SimulatedRun,
    Strategy,
    compare,
    record_run,
    run,
)
from ipfs_accelerate.content.insight.summary import (
    ContentSummary,
    Day,
    Edge,
    Kind,
    Receiver,
    summary,
)

__all__ = [
    "ORIGIN_KINDS",
    "ContentSummary",
    "Day",
    "Edge",
    "Kind",
    "Network",
    "Option",
    "Receiver",
    "Recommendation",
    "SimulatedRun",
    "Strategy",
    "compare",
    "note_transfer",
    "recommend",
    "record_run",
    "record_transfer",
    "run",
    "summary",
    "transfer_record",
]
