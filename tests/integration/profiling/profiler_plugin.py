"""A null runtime with and without a profiler; loaded by path in every process."""

from ipfs_accelerate.plugins import hookimpl
from ipfs_accelerate.testing.null_runtime import Behaviour, Failure, NullRuntime, null_device

RUNTIME = NullRuntime(
    devices=("null", "blind"),
    behaviours={
        "null": Behaviour(latency_ns=(2_000_000,)),
        "blind": Behaviour(failure=Failure.NO_PROFILER),
    },
)


@hookimpl
def ipfs_accelerate_runtimes():
    return (RUNTIME,)


@hookimpl
def ipfs_accelerate_devices():
    return (null_device("null"), null_device("blind"))
