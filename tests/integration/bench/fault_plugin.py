"""A runtime whose devices die for real, each in its own way; loaded by path in every process."""

import ctypes
import os
import signal
import subprocess
import sys
import threading

from ipfs_accelerate.hardware import Support
from ipfs_accelerate.plugins import hookimpl
from ipfs_accelerate.telemetry import Origin
from ipfs_accelerate.testing.null_runtime import Behaviour, Failure, NullRuntime, null_device

LATENCY_NS = int(os.environ.get("FAULT_PLUGIN_LATENCY_NS", "2000000"))


def hog():
    blocks = []
    while True:
        blocks.append(bytearray(b"x" * 2**24))


def noise():
    sys.stdout.buffer.write(os.urandom(100_000))
    sys.stdout.flush()
    sys.stderr.write("noise\n" * 10)


def unexpected():
    raise ZeroDivisionError("a defect of a runtime")


def linger():
    """Starts a process in a session of its own and fails."""
    code = "import threading; threading.Event().wait()"
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    sys.stderr.write(f"left behind {child.pid}\n")
    sys.stderr.flush()
    unexpected()


FAULTS = {
    "segfault": lambda: ctypes.string_at(0),
    "sigkill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: threading.Event().wait(),
    "exit": lambda: os._exit(7),
    "hog": hog,
    "noisy": noise,
    "unexpected": unexpected,
    "linger": linger,
}
SCRIPTED = {
    "good": Behaviour(latency_ns=(LATENCY_NS,)),
    "loaderror": Behaviour(failure=Failure.LOAD_ERROR),
    "runerror": Behaviour(failure=Failure.RUN_ERROR, fails_from_run=3),
    "absent": Behaviour(),
}


class FaultRuntime(NullRuntime):
    """Runs its fault at the fourth call, so that the case is warming up."""

    def load(self, artifact, target, options):
        session = super().load(artifact, target, options)
        fault = FAULTS.get(target.device)
        if fault is not None:
            run = session.run

            def faulty(inputs):
                if session.runs == 3:
                    fault()
                return run(inputs)

            session.run = faulty
        return session


DEVICES = [
    null_device(name, support=Support.no("taken out for the test") if name == "absent" else None)
    for name in (*FAULTS, *SCRIPTED)
]
RUNTIME = FaultRuntime(
    name="fault",
    devices=tuple(d.id for d in DEVICES),
    behaviours={**SCRIPTED, "*": Behaviour(latency_ns=(LATENCY_NS,))},
    origin=Origin.MEASURED,
)


@hookimpl
def ipfs_accelerate_runtimes():
    return [RUNTIME]


@hookimpl
def ipfs_accelerate_devices():
    return DEVICES
