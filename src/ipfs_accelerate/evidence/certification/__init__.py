"""Whether a result can be trusted: rules, level, score, and certificates that name the evidence.

Nothing is measured here. `bench` makes the runs, `content` signs.
"""

from ipfs_accelerate.evidence.certification.agreement import Agreement, agreement
from ipfs_accelerate.evidence.certification.audit import Audit, audit
from ipfs_accelerate.evidence.certification.canonical import RowHash, row_hash
from ipfs_accelerate.evidence.certification.certificate import (
    Certificate,
    issue,
    read_certificate,
)
from ipfs_accelerate.evidence.certification.evidence import (
    Evidence,
    Policy,
    find_result,
    gather,
)
from ipfs_accelerate.evidence.certification.rules import RULES, Assessment, assess
from ipfs_accelerate.evidence.certification.verdicts import Rule, Verdict

__all__ = [
    "RULES",
    "Agreement",
    "Assessment",
    "Audit",
    "Certificate",
    "Evidence",
    "Policy",
    "RowHash",
    "Rule",
    "Verdict",
    "agreement",
    "assess",
    "audit",
    "find_result",
    "gather",
    "issue",
    "read_certificate",
    "row_hash",
]
