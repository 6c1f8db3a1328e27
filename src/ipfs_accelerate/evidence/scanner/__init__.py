"""Reports that present simulated numbers as real: found by stated signs, and marked on request.

A verdict is never *real*: a scanner can only fail to find something against a report.
"""

from ipfs_accelerate.evidence.scanner.claims import Claim, Document
from ipfs_accelerate.evidence.scanner.marking import add_banner, write_sidecar
from ipfs_accelerate.evidence.scanner.scan import SUFFIXES, Report, find_reports, scan_file
from ipfs_accelerate.evidence.scanner.signs import SIGNS, Reason

__all__ = [
    "SIGNS",
    "SUFFIXES",
    "Claim",
    "Document",
    "Reason",
    "Report",
    "add_banner",
    "find_reports",
    "scan_file",
    "write_sidecar",
]
