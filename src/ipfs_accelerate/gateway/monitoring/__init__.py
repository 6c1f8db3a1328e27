"""What the gateway did: statistics in memory, metrics for Prometheus and OpenTelemetry.

Each is an observer of `records.CallRecord`; none ever sees a prompt, an answer or a secret.
"""

from ipfs_accelerate.gateway.monitoring.histogram import Histogram
from ipfs_accelerate.gateway.monitoring.recording import LedgerRecorder
from ipfs_accelerate.gateway.monitoring.statistics import Statistics

__all__ = ["Histogram", "LedgerRecorder", "Statistics"]
