"""The fakes other tests lean on do what their scripts say."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from ipfs_accelerate.errors import (
    InferenceError,
    InputError,
    LoadError,
    MemoryLimitError,
    TargetUnsupportedError,
    UnknownTargetError,
)
from ipfs_accelerate.hardware import Precision, Support
from ipfs_accelerate.runtimes import LoadOptions, Runtime, Session, Target, runtimes, support
from ipfs_accelerate.telemetry import FakeClock
from ipfs_accelerate.testing import Behaviour, Failure, NullRuntime, installed, null_device
from ipfs_accelerate.testing.conformance import null_artifact

TARGET = Target.parse("null/null/fp32")


def load(tmp_path, **fields):
    clock = FakeClock()
    runtime = NullRuntime(behaviours={"*": Behaviour(**fields)}, clock=clock)
    return runtime.load(null_artifact(tmp_path), TARGET, LoadOptions()), clock


def batch(*rows):
    return {"input": np.array(rows, dtype=np.float32)}


def test_follows_both_protocols(tmp_path):
    assert isinstance(NullRuntime(), Runtime)
    assert isinstance(load(tmp_path)[0], Session)


def test_outputs_depend_on_each_item_alone(tmp_path):
    session, _ = load(tmp_path)
    both = session.run(batch([1, 2, 3, 4], [5, 6, 7, 8]))["output"]
    alone = session.run(batch([5, 6, 7, 8]))["output"]
    assert both.shape == (2, 4)
    assert np.array_equal(both[1:], alone)
    assert not np.allclose(both[0], both[1])


def test_latency_passes_on_the_injected_clock(tmp_path):
    session, clock = load(tmp_path, latency_ns=(100, 7), load_ns=5)
    assert session.info.load_ns == 5
    before = clock.now_ns()
    for _ in range(3):
        session.run(batch([0, 0, 0, 0]))
    assert clock.now_ns() - before == 114


@pytest.mark.parametrize(
    ("failure", "error"),
    [(Failure.LOAD_ERROR, LoadError), (Failure.LOAD_OUT_OF_MEMORY, MemoryLimitError)],
)
def test_scripted_load_failures(tmp_path, failure, error):
    with pytest.raises(error, match="scripted"):
        load(tmp_path, failure=failure)


def test_scripted_run_failure_starts_when_told(tmp_path):
    session, _ = load(tmp_path, failure=Failure.RUN_ERROR, fails_from_run=1)
    session.run(batch([0, 0, 0, 0]))
    with pytest.raises(InferenceError, match="scripted"):
        session.run(batch([0, 0, 0, 0]))


def test_a_hanging_run_ends_when_the_session_is_closed(tmp_path):
    session, _ = load(tmp_path, failure=Failure.HANG)
    errors = []

    def run():
        try:
            session.run(batch([0, 0, 0, 0]))
        except InferenceError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert not errors
    session.close()
    thread.join(timeout=10)
    assert len(errors) == 1


def test_a_crash_takes_the_process_down(tmp_path):
    code = (
        "import numpy, pathlib, sys\n"
        "from ipfs_accelerate.runtimes import LoadOptions, Target\n"
        "from ipfs_accelerate.testing import *\n"
        "from ipfs_accelerate.testing.conformance import null_artifact\n"
        "runtime = NullRuntime(behaviours={'*': Behaviour(failure=Failure.CRASH)})\n"
        "target = Target.parse('null/null/fp32')\n"
        "session = runtime.load(null_artifact(pathlib.Path(sys.argv[1])), target, LoadOptions())\n"
        "session.run({'input': numpy.zeros((1, 4), 'float32')})\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == 139


def test_wrong_placement_and_precision_are_reported(tmp_path):
    session, _ = load(tmp_path, failure=Failure.WRONG_PLACEMENT)
    assert session.placement(batch([0, 0, 0, 0])).share_on("null") == 0.0
    session, _ = load(tmp_path, failure=Failure.WRONG_PRECISION)
    assert session.info.executed_precision is Precision.FP64


def test_installed_offers_runtime_and_device_and_takes_them_away():
    device = null_device()
    with installed(NullRuntime(), device) as plugin:
        assert list(plugin.ipfs_accelerate_devices()) == [device]
        assert support(TARGET, [device]).usable
        assert support(Target.parse("null/null/fp32+threads=2"), [device]).usable
        with pytest.raises(UnknownTargetError):
            support(Target.parse("null/null/fp32+tread=2"), [device])
    assert "null" not in runtimes()


def test_an_unusable_device_says_why():
    device = null_device(support=Support.no("switched off", "switch it on"))
    verdicts = dict(NullRuntime().targets([device]))
    assert {v.reason for v in verdicts.values()} == {"switched off"}


def test_bad_inputs_and_targets_are_refused(tmp_path):
    session, _ = load(tmp_path)
    with pytest.raises(InputError, match="missing"):
        session.run({})
    with pytest.raises(TargetUnsupportedError):
        NullRuntime().load(null_artifact(tmp_path), Target.parse("null/other/fp32"), LoadOptions())
