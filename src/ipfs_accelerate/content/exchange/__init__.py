"""Fetching from many sources at once: a scheduler without input or output, and threads around it.

What sources are lives in `content.sources`; where blocks are kept, in `content.blockstore`.
"""

from ipfs_accelerate.content.exchange.fetching import Exchange
from ipfs_accelerate.content.exchange.messages import Evidence, ExchangeSettings, Gate
from ipfs_accelerate.content.exchange.report import FetchProgress, FetchReport, SourceReport

__all__ = [
    "Evidence",
    "Exchange",
    "ExchangeSettings",
    "FetchProgress",
    "FetchReport",
    "Gate",
    "SourceReport",
]
