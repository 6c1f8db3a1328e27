"""The suite every runtime passes: subclass `RuntimeConformance` and give it a ``case`` fixture.

A runtime that cannot do something yet names the test in `RuntimeCase.gaps`; the gap is strict: the
test must fail with that very exception, and a gap that closed is an error too.
"""

# ruff: noqa: D102 — the name of a test is its claim

from __future__ import annotations

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ipfs_accelerate.errors import (
    AccelerateError,
    InferenceError,
    InputError,
    TargetUnsupportedError,
    UnavailableError,
)
from ipfs_accelerate.hardware import Precision, Support
from ipfs_accelerate.runtimes import LoadOptions, Runtime, Session, SessionInfo
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ipfs_accelerate.hardware import Device
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes import Target

__all__ = ["Gap", "GapKind", "RuntimeCase", "RuntimeConformance", "Tolerance"]

Arrays = dict[str, np.ndarray]


class GapKind(StrEnum):
    """Whether a missing ability can come: later, some day, or not at all."""

    NOTYET = "notyet"
    NOTIMPL = "notimpl"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Gap:
    """A test that a runtime fails, and exactly how."""

    kind: GapKind
    raises: type[BaseException]
    reason: str


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Largest difference as a share of the largest value, and smallest cosine."""

    relative: float
    cosine: float


_TOLERANCES = {
    Precision.FP32: Tolerance(1e-4, 0.99999),
    Precision.TF32: Tolerance(1e-2, 0.9999),
    Precision.BF16: Tolerance(5e-2, 0.999),
    Precision.FP16: Tolerance(1e-2, 0.9999),
    Precision.INT8: Tolerance(0.15, 0.98),
}


@dataclass(frozen=True)
class RuntimeCase:
    """One target of one runtime, with a model whose outputs are known.

    Attributes:
        runtime: The runtime.
        device: A usable device.
        target: A usable target on it.
        artifact: A model it can load.
        make_inputs: Batch, sequence length and generator → inputs.
        reference: Inputs → outputs in fp32 or better.
        options: How to load.
        chosen_device: Where the nodes run when the target leaves the choice to the runtime.
        gaps: Name of a test → why it fails.
    """

    runtime: Runtime
    device: Device
    target: Target
    artifact: ModelArtifact
    make_inputs: Callable[[int, int, np.random.Generator], Arrays]
    reference: Callable[[Arrays], Arrays]
    options: LoadOptions = field(default_factory=LoadOptions)
    chosen_device: str | None = None
    gaps: Mapping[str, Gap] = field(default_factory=dict)

    def load(self, target: Target | None = None) -> Session:
        """A new session."""
        return self.runtime.load(self.artifact, target or self.target, self.options)

    def inputs(self, batch: int = 2, sequence: int = 5, *, seed: int = 7) -> Arrays:
        """Seeded inputs."""
        return self.make_inputs(batch, sequence, np.random.default_rng(seed))

    @property
    def tolerance(self) -> Tolerance:
        """How near outputs must come in the target's precision."""
        return _TOLERANCES[self.target.precision]

    def require_near(self, found: Arrays, wanted: Arrays) -> None:
        """Assert that outputs agree within the tolerance."""
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            assert found[name].shape == value.shape
            assert found[name].dtype == value.dtype
            a, b = found[name].astype(np.float64).ravel(), value.astype(np.float64).ravel()
            cosine = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
            assert cosine >= self.tolerance.cosine
            assert np.abs(a - b).max() <= self.tolerance.relative * np.abs(b).max()


class RuntimeConformance:
    """Give it a module-scoped fixture ``case`` that returns a `RuntimeCase`."""

    @pytest.fixture(autouse=True)
    def _declared_gap(self, request: pytest.FixtureRequest, case: RuntimeCase) -> None:
        gap = case.gaps.get(request.node.originalname)
        if gap is not None:
            request.applymarker(
                pytest.mark.xfail(
                    raises=gap.raises, strict=True, reason=f"{gap.kind}: {gap.reason}"
                )
            )

    @pytest.fixture(scope="module")
    @classmethod
    def session(cls, case: RuntimeCase) -> Iterator[Session]:
        """A session shared by tests that leave it as it is."""
        with case.load() as session:
            yield session

    # What it says about itself

    def test_follows_the_protocols(self, case: RuntimeCase, session: Session) -> None:
        assert isinstance(case.runtime, Runtime)
        assert isinstance(session, Session)
        assert isinstance(session.info, SessionInfo)

    def test_probe_finds_it_usable_here(self, case: RuntimeCase) -> None:
        verdict = case.runtime.probe()
        assert verdict.usable, verdict.reason

    def test_targets_name_known_devices_and_a_reason(self, case: RuntimeCase) -> None:
        listed = case.runtime.targets([case.device])
        assert len(dict(listed)) == len(listed), "a target is listed twice"
        usable = {target for target, verdict in listed if verdict.usable}
        tuning = case.runtime.option_names
        kept = tuple(o for o in case.target.options if o.partition("=")[0] not in tuning)
        assert replace(case.target, options=kept) in usable
        for target, verdict in listed:
            assert target.runtime == case.runtime.name
            assert target.device in {case.device.id, case.target.device, "auto"}
            assert verdict.reason

    def test_no_devices_give_no_targets(self, case: RuntimeCase) -> None:
        assert list(case.runtime.targets([])) == []

    def test_an_unusable_device_makes_unusable_targets(self, case: RuntimeCase) -> None:
        off = replace(case.device, support=Support.no("switched off for a test", "switch it on"))
        verdicts = [v for t, v in case.runtime.targets([off]) if t.device == off.id]
        assert verdicts
        assert {v.reason for v in verdicts} == {"switched off for a test"}

    # What it refuses

    @pytest.mark.parametrize("device", ["nowhere", "cpu:7", "cuda:99"])
    def test_an_absent_device_is_refused(self, case: RuntimeCase, device: str) -> None:
        with pytest.raises(UnavailableError):
            case.load(replace(case.target, device=device, options=()))

    def test_an_unknown_precision_is_refused(self, case: RuntimeCase) -> None:
        with pytest.raises(TargetUnsupportedError):
            case.load(replace(case.target, precision=Precision.BINARY))

    @pytest.mark.parametrize("option", ["turbo", "threads=none"])
    def test_an_unknown_option_is_refused(self, case: RuntimeCase, option: str) -> None:
        with pytest.raises(TargetUnsupportedError):
            case.load(replace(case.target, options=(*case.target.options, option)))

    def test_an_unknown_component_is_refused(self, case: RuntimeCase) -> None:
        with pytest.raises(AccelerateError, match="nonexistent"):
            case.runtime.load(
                case.artifact, case.target, replace(case.options, component="nonexistent")
            )

    @pytest.mark.parametrize("defect", ["missing", "unknown", "dtype", "rank", "list"])
    def test_inputs_that_do_not_fit_are_refused(
        self, case: RuntimeCase, session: Session, defect: str
    ) -> None:
        inputs = case.inputs()
        name = session.info.inputs[0].name
        match defect:
            case "missing":
                del inputs[name]
            case "unknown":
                inputs["no_such_input"] = inputs[name]
            case "dtype":
                inputs[name] = inputs[name].astype(np.complex64)
            case "rank":
                inputs[name] = inputs[name][..., np.newaxis]
            case _:
                inputs[name] = inputs[name].tolist()
        with pytest.raises(InputError, match=name if defect != "unknown" else "no_such_input"):
            session.run(inputs)

    def test_a_fixed_size_is_checked(self, case: RuntimeCase, session: Session) -> None:
        inputs = case.inputs()
        for spec in session.info.inputs:
            axes = [axis for axis, size in enumerate(spec.shape) if isinstance(size, int)]
            if axes:
                twice = np.concatenate([inputs[spec.name]] * 2, axis=axes[0])
                with pytest.raises(InputError, match="shape"):
                    session.run({**inputs, spec.name: twice})

    # What it loads

    def test_the_session_describes_itself(self, case: RuntimeCase, session: Session) -> None:
        info = session.info
        assert info.target == case.target
        assert info.load_ns > 0
        assert info.inputs
        assert info.outputs
        assert info.versions
        assert info.origin in {Origin.MEASURED, Origin.EMULATED}
        assert info.weights_bytes is None or info.weights_bytes > 0
        assert {spec.name for spec in info.inputs} == set(case.inputs())

    def test_threads_are_set_as_asked(self, case: RuntimeCase) -> None:
        target = replace(case.target, options=(*case.target.options, "threads=1"))
        with case.load(target) as session:
            assert session.info.settings["threads"] == 1

    def test_the_executed_precision_is_the_asked_one_and_the_profile_agrees(
        self, case: RuntimeCase, session: Session
    ) -> None:
        assert session.info.executed_precision is case.target.precision
        counts = session.placement(case.inputs()).precisions
        assert counts
        assert max(counts, key=lambda p: counts[p]) == session.info.executed_precision.value

    def test_everything_runs_on_the_asked_device(self, case: RuntimeCase, session: Session) -> None:
        placement = session.placement(case.inputs())
        assert placement.source
        assert sum(sum(ops.values()) for ops in placement.nodes.values()) > 0
        wanted = case.chosen_device or case.target.device
        assert placement.share_on(wanted) == 1.0, placement.nodes

    # Where its time goes

    def test_a_profile_times_every_operator_in_every_repetition(
        self, case: RuntimeCase, session: Session
    ) -> None:
        found = session.profile(case.inputs(), repetitions=3)
        assert found.source
        assert found.operators
        assert found.run_ns
        names = [op.name for op in found.operators]
        assert len(set(names)) == len(names)
        assert all(len(op.samples_ns) == len(found.run_ns) for op in found.operators)
        assert all(op.calls >= 1 and op.op_type and op.device for op in found.operators)
        assert all(sample >= 0 for op in found.operators for sample in op.samples_ns)

    def test_a_profile_without_repetitions_is_refused(
        self, case: RuntimeCase, session: Session
    ) -> None:
        with pytest.raises(InputError, match="repetitions"):
            session.profile(case.inputs(), repetitions=0)

    # What it computes

    def test_outputs_match_the_reference(self, case: RuntimeCase, session: Session) -> None:
        inputs = case.inputs()
        case.require_near(session.run(inputs), case.reference(inputs))

    @pytest.mark.parametrize(("batch", "sequence"), [(1, 1), (1, 9), (3, 4), (5, 1)])
    def test_batch_and_sequence_may_vary(
        self, case: RuntimeCase, session: Session, batch: int, sequence: int
    ) -> None:
        inputs = case.inputs(batch, sequence)
        case.require_near(session.run(inputs), case.reference(inputs))

    def test_threads_get_their_own_answers(self, case: RuntimeCase, session: Session) -> None:
        feeds = [case.inputs(1 + n % 2, 2 + n % 3, seed=n) for n in range(12)]
        alone = [session.run(feed) for feed in feeds]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(session.run, feeds))
        for found, wanted in zip(together, alone, strict=True):
            for name, value in wanted.items():
                np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)

    def test_outputs_belong_to_the_caller(self, case: RuntimeCase, session: Session) -> None:
        inputs = case.inputs(seed=1)
        first = session.run(inputs)
        kept = {name: value.copy() for name, value in first.items()}
        session.run(case.inputs(seed=2))
        for name, value in first.items():
            assert np.array_equal(value, kept[name])
            assert value.flags.writeable
            assert not any(np.shares_memory(value, array) for array in inputs.values())

    def test_inputs_stay_as_they_are(self, case: RuntimeCase, session: Session) -> None:
        inputs = case.inputs()
        kept = {name: value.copy() for name, value in inputs.items()}
        session.run(inputs)
        assert all(np.array_equal(inputs[name], value) for name, value in kept.items())

    def test_read_only_and_strided_inputs_are_taken(
        self, case: RuntimeCase, session: Session
    ) -> None:
        inputs = case.inputs()
        wanted = session.run(inputs)
        odd = {name: _strided(value) for name, value in inputs.items()}
        found = session.run(odd)
        for name, value in wanted.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)

    # How it ends

    def test_close_is_idempotent_and_final(self, case: RuntimeCase) -> None:
        session = case.load()
        session.run(case.inputs())
        session.close()
        session.close()
        with pytest.raises(InferenceError, match="closed"):
            session.run(case.inputs())
        with pytest.raises(InferenceError, match="closed"):
            session.placement(case.inputs())
        with pytest.raises(InferenceError, match="closed"):
            session.profile(case.inputs(), repetitions=1)

    def test_leaving_the_block_closes(self, case: RuntimeCase) -> None:
        with case.load() as session:
            pass
        with pytest.raises(InferenceError, match="closed"):
            session.run(case.inputs())

    @pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
    def test_nothing_is_left_behind(self, case: RuntimeCase) -> None:
        self._load_and_close(case)  # what a library keeps for the whole process is there now
        before = _held_by_process()
        for _ in range(3):
            self._load_and_close(case)
        threads, files = _held_by_process()
        assert threads <= before[0]
        assert files <= before[1]

    @staticmethod
    def _load_and_close(case: RuntimeCase) -> None:
        with case.load() as session:
            session.run(case.inputs())
            session.placement(case.inputs())


def _strided(value: np.ndarray) -> np.ndarray:
    """Equal values that are neither contiguous (where that is possible) nor writeable."""
    odd = np.repeat(value, 2, axis=-1)[..., ::2]
    odd.flags.writeable = False
    return odd


def _held_by_process() -> tuple[int, int]:
    """Threads and open files of this process."""
    gc.collect()
    return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))  # noqa: PTH208
