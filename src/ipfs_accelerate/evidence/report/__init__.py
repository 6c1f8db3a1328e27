"""A run as HTML, Markdown and CSV; every renderer takes the same `RunSummary`."""

from ipfs_accelerate.evidence.report.write import FORMATS, write

__all__ = ["FORMATS", "write"]
