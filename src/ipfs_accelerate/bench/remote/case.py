"""A case whose work is done by a service behind the gateway, in the process of the case."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.parity import compare_outputs
from ipfs_accelerate.bench.remote.calls import Asker, EmbedTexts, StreamChats
from ipfs_accelerate.bench.remote.texts import make_texts
from ipfs_accelerate.bench.workload import read_lines
from ipfs_accelerate.errors import TargetUnsupportedError
from ipfs_accelerate.gateway.configuration import configure
from ipfs_accelerate.hardware import Precision
from ipfs_accelerate.inference import Accelerator
from ipfs_accelerate.inference.text import TextTokenizer
from ipfs_accelerate.models import ModelRef, Scheme, resolve
from ipfs_accelerate.runtimes import Target
from ipfs_accelerate.telemetry import MonotonicClock, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.bench.case import BenchCase
    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.gateway.configuration import Configuration
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["RemoteCase", "load_remote"]

_EMBEDDING_TASKS = {"feature-extraction", "sentence-similarity", "sentence-embeddings"}
_GENERATION = "text-generation"
_UNKNOWN = "the service does not say"
_MISSING = dict.fromkeys(
    ("load_ns", "peak_memory_bytes", "cpu_time_ns", "energy_j", "placement"), _UNKNOWN
)
_NO_LOGITS = "a service gives text, not the outputs of its graph"


@dataclass(frozen=True, slots=True)
class RemoteCase:
    """What the commands of a case work on; see `bench.loading.LoadedCase`.

    Attributes:
        asker: The gateway.
        call: What is timed.
        case: What is measured.
        artifact: The model the service is said to have.
        settings: In effect.
        described: Who is asked for what, for the row.
        open_ns: Time to open the gateway; connections are made by the first call.
    """

    asker: Asker
    call: EmbedTexts | StreamChats
    case: BenchCase
    artifact: ModelArtifact
    settings: Settings
    described: Mapping[str, object]
    open_ns: int

    def facts(self) -> dict[str, object]:
        """What a row says of it."""
        is_text = isinstance(self.call, StreamChats)
        return {
            "load_ns": None,
            "load_wall_ns": self.open_ns,
            "executed_precision": Precision.REMOTE.value,
            "origin": Origin.MEASURED.value,
            "weights_bytes": None,
            "versions": {},
            "settings": dict(self.described),
            "components": [],
            "inputs": {"texts": ["str", self.case.batch_size]},
            "missing": {**_MISSING, **({"parity": _NO_LOGITS} if is_text else {})},
        }

    def parity(self, *, precision: str, target: str, **_: object) -> dict[str, object]:
        """Compare the service's vectors with those of the local model for the same texts.

        Args:
            precision: See `compare_outputs`.
            target: Where the local model runs.
        """
        assert isinstance(self.call, EmbedTexts)
        import numpy as np

        texts = list(self.call.request.inputs)
        with Accelerator(settings=self.settings, targets=[target]) as local:
            found = local.run(self.case.model, texts, task="sentence-embeddings", normalize=True)
        return compare_outputs(
            self.call.outputs(), {"embedding": np.asarray(found.output)}, precision
        )

    def close(self) -> None:
        """Close all connections."""
        self.asker.close()


def load_remote(
    case: BenchCase, settings: Settings, *, seed: int, input_file: str | None
) -> RemoteCase:
    """Open the gateway and write the texts.

    Raises:
        TargetUnsupportedError: The task is not one that services do, or nobody behind the route
            does it.
        AccelerateError: Whatever resolving the model raises; its tokenizer is needed.
    """
    artifact = resolve(case.model, settings=settings)
    is_generation = case.task == _GENERATION
    if not is_generation and case.task not in _EMBEDDING_TASKS:
        raise TargetUnsupportedError(
            f"services are asked for embeddings and text, not for {case.task}",
            hint="leave the gateway's targets out for this model",
        )
    tokens = case.shapes["sequence"]
    lines = read_lines(input_file) if input_file else []
    texts = make_texts(
        TextTokenizer(artifact), batch=case.batch_size, tokens=tokens, seed=seed, lines=lines
    )
    configuration = configure(settings.gateway, environ=os.environ)
    model = _asked(case, artifact, configuration)
    started_ns = MonotonicClock().now_ns()
    asker = Asker(configuration)
    open_ns = MonotonicClock().now_ns() - started_ns
    call: EmbedTexts | StreamChats = EmbedTexts(asker, model, texts)
    if is_generation:
        call = StreamChats(asker, model, texts, new_tokens=case.shapes["new_tokens"])
    try:
        asker.require(call.request)
    except BaseException:
        asker.close()
        raise
    described = _described(model, configuration)
    return RemoteCase(asker, call, case, artifact, settings, described, open_ns)


def _asked(case: BenchCase, artifact: ModelArtifact, configuration: Configuration) -> str:
    """The name given to the gateway: a route's, or an endpoint's with a model."""
    name = Target.parse(case.target).device
    endpoints = {endpoint.name for endpoint in configuration.endpoints}
    if name in {route.name for route in configuration.routes} or name not in endpoints:
        return name
    ref = ModelRef.parse(case.model)
    return f"{name}/{ref.location if ref.scheme is Scheme.HUB else artifact.name}"


def _described(model: str, configuration: Configuration) -> dict[str, object]:
    route = next((route for route in configuration.routes if route.name == model), None)
    asked = [model]
    if route is not None:
        asked = [f"{c.endpoint}/{c.model or model}" for tier in route.tiers for c in tier]
    providers = {e.name: e.provider for e in configuration.endpoints}
    used = sorted({providers[one.partition("/")[0]] for one in asked})
    return {"asked_for": model, "candidates": asked, "providers": used}
