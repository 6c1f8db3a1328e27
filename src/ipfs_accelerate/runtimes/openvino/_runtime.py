"""OpenVINO behind the runtime protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import (
    MissingExtraError,
    PlacementError,
    TargetUnsupportedError,
)
from ipfs_accelerate.hardware import Precision, Support
from ipfs_accelerate.runtimes._loading import (
    graph_artifact,
    graph_bytes,
    graph_path,
    require_options,
    require_precision,
    settings_of,
    thread_count,
)
from ipfs_accelerate.runtimes.openvino._evidence import device_ids, executed_precision
from ipfs_accelerate.runtimes.openvino._library import capabilities, library, openvino_name
from ipfs_accelerate.runtimes.openvino._session import (
    OpenVinoSession,
    Recipe,
    compile_graph,
    tensor_specs,
)
from ipfs_accelerate.runtimes.openvino._support import (
    AUTO,
    PRECISIONS,
    is_served,
    precision_support,
    support_of,
)
from ipfs_accelerate.runtimes.protocol import SessionInfo
from ipfs_accelerate.runtimes.target import Target
from ipfs_accelerate.telemetry import MonotonicClock, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.hardware import Device
    from ipfs_accelerate.models import Component, ModelArtifact
    from ipfs_accelerate.runtimes.protocol import LoadOptions

__all__ = ["OpenVinoRuntime"]

_HINTS = {
    Precision.FP32: "f32",
    Precision.INT8: "f32",  # of what is left in floating point
    Precision.BF16: "bf16",
    Precision.FP16: "f16",
}


class OpenVinoRuntime:
    """See `Runtime`."""

    @property
    def name(self) -> str:
        """See `Runtime.name`."""
        return "openvino"

    @property
    def option_names(self) -> frozenset[str]:
        """See `Runtime.option_names`."""
        return frozenset({"threads"})

    def probe(self) -> Support:
        """See `Runtime.probe`."""
        try:
            module = library()
        except (ImportError, OSError) as error:
            return Support.no(
                f"openvino does not load: {error}", "pip install 'ipfs-accelerate[openvino]'"
            )
        return Support.yes(f"openvino {module.__version__}")

    def targets(self, devices: Sequence[Device]) -> list[tuple[Target, Support]]:
        """See `Runtime.targets`; beside the devices given, ``auto`` is OpenVINO's own choice."""
        verdict = self.probe()
        found = capabilities() if verdict.usable else {}
        listed = [
            (Target(self.name, d.id, p), support_of(d, p, found) if found else verdict)
            for d in devices
            if is_served(d)
            for p in PRECISIONS
        ]
        if not listed:
            return []
        return listed + [
            (Target(self.name, AUTO, p), precision_support(AUTO, p, found) if found else verdict)
            for p in PRECISIONS
        ]

    def load(
        self, artifact: ModelArtifact, target: Target, options: LoadOptions
    ) -> OpenVinoSession:
        """See `Runtime.load`."""
        clock = MonotonicClock()
        started_ns = clock.now_ns()
        device = self._device(target)
        require_options(target, self.option_names)
        graph = _prepared(graph_artifact(artifact, options), target, options)
        prepared_ns = clock.now_ns()
        recipe = Recipe(
            graph_path(graph, options.component), device, target.device, _hints(target, options)
        )
        compiled = compile_graph(recipe)
        described = _describe(compiled, target, graph.components[options.component])
        info = replace(
            described,
            weights_bytes=graph_bytes(graph, options.component),
            load_ns=clock.now_ns() - prepared_ns,
            settings={**described.settings, "preparation_ns": prepared_ns - started_ns},
        )
        return OpenVinoSession(info, compiled, recipe)

    def _device(self, target: Target) -> str:
        if not self.probe().usable:
            raise MissingExtraError("openvino", needed_for=str(target), module="openvino")
        name = openvino_name(target.device)
        if name is None or target.precision not in PRECISIONS:
            raise TargetUnsupportedError(f"{target} is not a target of OpenVINO")
        verdict = precision_support(target.device, target.precision, capabilities())
        if not verdict.usable:
            raise TargetUnsupportedError(f"{target}: {verdict.reason}", hint=verdict.hint)
        return name


def _prepared(artifact: ModelArtifact, target: Target, options: LoadOptions) -> ModelArtifact:
    if target.precision is not Precision.INT8:
        return artifact
    from ipfs_accelerate.quantize import static_openvino

    return static_openvino(artifact, settings=settings_of(options))


def _hints(target: Target, options: LoadOptions) -> dict[str, object]:
    hints: dict[str, object] = {"PERFORMANCE_HINT": "LATENCY"}
    hints["INFERENCE_PRECISION_HINT"] = _HINTS[target.precision]
    if target.option("threads") is not None and target.device != "cpu":
        raise TargetUnsupportedError(f"{target}: only the CPU has threads to set")
    if target.device == "cpu":
        hints["INFERENCE_NUM_THREADS"] = thread_count(target, options)
    if options.cache_dir:
        hints["CACHE_DIR"] = options.cache_dir
    return hints


def _describe(compiled: Any, target: Target, component: Component) -> SessionInfo:  # noqa: ANN401
    chosen = device_ids(compiled.get_property("EXECUTION_DEVICES"), target.device)
    if target.device != AUTO and chosen != [target.device]:
        raise PlacementError(f"{target}: OpenVINO would execute on {', '.join(chosen)}")
    executed, evidence = executed_precision(compiled)
    if executed is None:
        raise TargetUnsupportedError(f"{target}: OpenVINO does not say what it executes")
    require_precision(target, executed, evidence)
    return SessionInfo(
        target=target,
        executed_precision=executed,
        inputs=tensor_specs(compiled.inputs, component.inputs),
        outputs=tensor_specs(compiled.outputs, component.outputs),
        load_ns=0,
        origin=Origin.MEASURED,
        versions={"openvino": library().__version__},
        settings={
            "execution_devices": chosen,
            "precision_evidence": evidence,
            "graph": component.path.name if component.path else None,
            **_read_back(compiled),
        },
    )


def _read_back(compiled: Any) -> dict[str, object]:  # noqa: ANN401
    names = {
        "threads": "INFERENCE_NUM_THREADS",
        "streams": "NUM_STREAMS",
        "precision_hint": "INFERENCE_PRECISION_HINT",
        "performance_hint": "PERFORMANCE_HINT",
        "pinning": "ENABLE_CPU_PINNING",
    }
    known = set(compiled.get_property("SUPPORTED_PROPERTIES"))
    return {
        key: _plain(compiled.get_property(name)) for key, name in names.items() if name in known
    }


def _plain(value: Any) -> object:  # noqa: ANN401
    if isinstance(value, (bool, int, float, str)):
        return value
    return (
        value.get_type_name()
        if hasattr(value, "get_type_name")
        else getattr(value, "name", str(value))
    )
