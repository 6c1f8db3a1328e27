"""A case loaded on its target, in the process of the case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.calls import Call, Generate, RunGraph
from ipfs_accelerate.bench.parity import compare_outputs, load_outputs
from ipfs_accelerate.bench.workload import make_inputs, work_of
from ipfs_accelerate.hardware import detect
from ipfs_accelerate.inference.generation import decoder_start
from ipfs_accelerate.models import resolve
from ipfs_accelerate.runtimes import LoadOptions, load
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from ipfs_accelerate.bench.case import BenchCase
    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes import Placement, Session

__all__ = ["LoadedCase", "load_case"]


@dataclass(frozen=True, slots=True)
class LoadedCase:
    """What the commands of a case work on.

    Attributes:
        artifact: The model.
        settings: In effect.
        sessions: Component → session; the last is the one whose precision is reported.
        inputs: Of the first session.
        call: What is timed.
        load_wall_ns: Time to load all sessions, caches and conversion included.
        probe_inputs: For the profile of the last session.
    """

    artifact: ModelArtifact
    settings: Settings
    sessions: Mapping[str, Session]
    inputs: Mapping[str, np.ndarray]
    call: Call
    load_wall_ns: int
    probe_inputs: Mapping[str, np.ndarray]

    @property
    def main(self) -> Session:
        """The session that does most of the work: the model, or the decoder."""
        return list(self.sessions.values())[-1]

    def placement(self) -> Placement:
        """What ran where, of the main session."""
        return self.main.placement(self.probe_inputs)

    def work(self) -> dict[str, object]:
        """Arithmetic of one call, where one call is one run of a graph."""
        if not isinstance(self.call, RunGraph):
            return {"why_no_work": "a generation is many runs of different sizes"}
        return work_of(self.artifact, self.inputs, self.settings)

    def parity(self, *, path: str, precision: str, **_: object) -> dict[str, object]:
        """Compare the outputs with kept ones."""
        mask = self.inputs.get("attention_mask")
        return compare_outputs(self.call.outputs(), load_outputs(path), precision, mask=mask)

    def facts(self) -> dict[str, object]:
        """What a row says of how it was loaded."""
        info = self.main.info
        infos = [session.info for session in self.sessions.values()]
        weights = [i.weights_bytes for i in infos]
        return {
            "load_ns": sum(i.load_ns for i in infos),
            "load_wall_ns": self.load_wall_ns,
            "executed_precision": info.executed_precision.value,
            "origin": info.origin.value,
            "weights_bytes": None if None in weights else sum(w for w in weights if w),
            "versions": dict(info.versions),
            "settings": {k: _plain(v) for k, v in info.settings.items()},
            "components": list(self.sessions),
            "inputs": {k: [str(v.dtype), *v.shape] for k, v in self.inputs.items()},
        }

    def close(self) -> None:
        """Free all sessions."""
        for session in self.sessions.values():
            session.close()


def load_case(
    case: BenchCase,
    settings: Settings,
    *,
    seed: int,
    threads: int | None,
    input_file: str | None,
) -> LoadedCase:
    """Resolve, load and make inputs.

    Raises:
        AccelerateError: Whatever resolving, converting or loading raises.
    """
    artifact = resolve(case.model, settings=settings)
    has_encoder = bool(artifact.config.get("is_encoder_decoder"))
    components = ("encoder", "decoder") if has_encoder else ("model",)
    started_ns = MonotonicClock().now_ns()
    sessions = {
        name: load(
            artifact,
            case.target,
            devices=detect(),
            options=LoadOptions(component=name, threads=threads, settings=settings),
        )
        for name in components
    }
    load_wall_ns = MonotonicClock().now_ns() - started_ns

    def inputs_of(session: Session, text: str | None = None) -> dict[str, np.ndarray]:
        specs = session.info.inputs
        return make_inputs(artifact, specs, sizes=case.sizes, seed=seed, input_file=text)

    first, last = sessions[components[0]], sessions[components[-1]]
    inputs = inputs_of(first, input_file)
    call: Call = RunGraph(first, inputs)
    if "new_tokens" in case.shapes:
        call = Generate(
            last,
            inputs,
            new_tokens=case.shapes["new_tokens"],
            encoder=first if has_encoder else None,
            start_id=decoder_start(artifact) if has_encoder else 0,
        )
    probe_inputs = inputs_of(last) if has_encoder else inputs
    return LoadedCase(artifact, settings, sessions, inputs, call, load_wall_ns, probe_inputs)


def _plain(value: object) -> object:
    return value if isinstance(value, bool | int | float | str | None) else str(value)
