"""Where the time of one run goes, operator by operator, and what was tried to shorten it.

Each runtime times its own operators (`Session.profile`); here they get one vocabulary, their work,
their place under the measured roofline, and a verdict on the whole. Nothing is estimated.
"""

from ipfs_accelerate.bench.profiling.bottleneck import Bottleneck, find_bottleneck
from ipfs_accelerate.bench.profiling.profile import OpProfile, Roof, Timing
from ipfs_accelerate.bench.profiling.run import ModelProfile, ProfileRequest, profile_model
from ipfs_accelerate.bench.profiling.suggestions import Suggestion, try_suggestions
from ipfs_accelerate.bench.profiling.trace import trace_events, write_trace
from ipfs_accelerate.bench.profiling.vocabulary import OpKind, kind_of

__all__ = [
    "Bottleneck",
    "ModelProfile",
    "OpKind",
    "OpProfile",
    "ProfileRequest",
    "Roof",
    "Suggestion",
    "Timing",
    "find_bottleneck",
    "kind_of",
    "profile_model",
    "trace_events",
    "try_suggestions",
    "write_trace",
]
