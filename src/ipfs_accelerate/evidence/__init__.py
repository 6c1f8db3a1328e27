"""What measurements mean: rankings, figures, reports. Reads the ledger, measures nothing."""

from ipfs_accelerate.evidence.summary import CaseGroup, RankedRow, RunSummary, summarise

__all__ = ["CaseGroup", "RankedRow", "RunSummary", "summarise"]
