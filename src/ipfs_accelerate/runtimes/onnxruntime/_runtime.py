"""ONNX Runtime behind the runtime protocol."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import RuntimeUnavailableError, TargetUnsupportedError
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
from ipfs_accelerate.runtimes.onnxruntime._evidence import Evidence, read_evidence
from ipfs_accelerate.runtimes.onnxruntime._library import library
from ipfs_accelerate.runtimes.onnxruntime._providers import (
    PROVIDERS,
    Provider,
    provider_for,
    support_of,
)
from ipfs_accelerate.runtimes.onnxruntime._session import (
    OnnxSession,
    Recipe,
    open_native,
    tensor_specs,
)
from ipfs_accelerate.runtimes.protocol import SessionInfo
from ipfs_accelerate.runtimes.target import Target
from ipfs_accelerate.telemetry import MonotonicClock, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.hardware import Device
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes.protocol import LoadOptions

__all__ = ["OnnxRuntime"]

_STATIC = "static"


class OnnxRuntime:
    """See `Runtime`."""

    @property
    def name(self) -> str:
        """See `Runtime.name`."""
        return "onnxruntime"

    @property
    def option_names(self) -> frozenset[str]:
        """See `Runtime.option_names`; with ``static`` int8 ranges are calibrated beforehand."""
        return frozenset({"threads", _STATIC})

    def probe(self) -> Support:
        """See `Runtime.probe`."""
        try:
            ort = library()
        except (ImportError, OSError) as error:
            return Support.no(f"onnxruntime does not load: {error}", "pip install onnxruntime")
        return Support.yes(f"onnxruntime {ort.__version__}")

    def targets(self, devices: Sequence[Device]) -> list[tuple[Target, Support]]:
        """See `Runtime.targets`."""
        verdict = self.probe()
        available = dict.fromkeys(library().get_available_providers()) if verdict.usable else {}
        return [
            (
                Target(self.name, device.id, precision, options),
                support_of(device, provider, precision, available) if available else verdict,
            )
            for device in devices
            for provider in PROVIDERS
            if provider.kind is device.kind
            for precision, options in provider.ways
        ]

    def load(self, artifact: ModelArtifact, target: Target, options: LoadOptions) -> OnnxSession:
        """See `Runtime.load`."""
        clock = MonotonicClock()
        started_ns = clock.now_ns()
        provider = self._provider(target)
        require_options(target, self.option_names | {"tensorrt"})
        graph = _prepared(graph_artifact(artifact, options), target, options)
        recipe = Recipe(
            graph=graph_path(graph, options.component),
            provider=provider.name,
            provider_options=provider.options(target.device, target.precision),
            threads=thread_count(target, options),
            device=target.device,
        )
        prepared_ns = clock.now_ns()
        native, executed = _open_verified(recipe, target)
        described = _describe(native, recipe, target, executed)
        info = replace(
            described,
            weights_bytes=graph_bytes(graph, options.component),
            load_ns=clock.now_ns() - prepared_ns,
            settings={**described.settings, "preparation_ns": prepared_ns - started_ns},
        )
        return OnnxSession(info, native, recipe)

    def _provider(self, target: Target) -> Provider:
        provider = provider_for(target.device, target.options)
        verdict = self.probe()
        if not verdict.usable:
            raise RuntimeUnavailableError(verdict.reason, hint=verdict.hint)
        if provider is None:
            raise TargetUnsupportedError(f"{target}: ONNX Runtime has no provider for that device")
        available = library().get_available_providers()
        if provider.name not in available:
            raise TargetUnsupportedError(
                f"{target}: this onnxruntime has no {provider.name} (only {', '.join(available)})",
                hint=f"pip install {provider.package}",
            )
        way = tuple(o for o in target.options if o == "tensorrt")
        is_odd = target.option(_STATIC) is not None and target.precision is not Precision.INT8
        if is_odd or (target.precision, way) not in provider.ways:
            raise TargetUnsupportedError(
                f"{target}: {provider.name} is not used in {target.precision.value}"
            )
        return provider


def _prepared(artifact: ModelArtifact, target: Target, options: LoadOptions) -> ModelArtifact:
    """The artifact with a graph in the asked precision."""
    if target.precision is Precision.INT8:
        from ipfs_accelerate import quantize

        recipe = quantize.static_onnx if _is_static(target) else quantize.dynamic_onnx
        return recipe(artifact, settings=settings_of(options))
    if target.precision is Precision.FP16:
        from ipfs_accelerate import quantize

        return quantize.half_onnx(artifact, settings=settings_of(options))
    return artifact


def _open_verified(recipe: Recipe, target: Target) -> tuple[Any, Evidence]:
    """A native session and the precision it computes in, refused unless it is the asked one."""
    with tempfile.TemporaryDirectory(prefix="ipfs-accelerate-graph-") as folder:
        optimized = Path(folder) / "optimized.onnx" if _is_fused_late(target) else None
        native = open_native(recipe, optimized=optimized)
        evidence = read_evidence(native, recipe.graph, recipe.provider, optimized)
    require_precision(target, evidence.precision, evidence.text)
    return native, evidence


def _is_static(target: Target) -> bool:
    """Whether int8 means calibrated ranges: on request, and always on the NPU of Qualcomm."""
    return target.option(_STATIC) is not None or target.device == "qnn"


def _is_fused_late(target: Target) -> bool:
    """Whether the integer operators appear only after the assignment to providers is reported."""
    return target.device == "cpu" and _is_static(target)


def _describe(native: Any, recipe: Recipe, target: Target, executed: Evidence) -> SessionInfo:  # noqa: ANN401
    settings = native.get_session_options()
    return SessionInfo(
        target=target,
        executed_precision=executed.precision,
        inputs=tensor_specs(native.get_inputs()),
        outputs=tensor_specs(native.get_outputs()),
        load_ns=0,
        origin=Origin.MEASURED,
        versions={"onnxruntime": library().__version__},
        settings={
            "threads": settings.intra_op_num_threads,
            "providers": native.get_providers(),
            "provider_options": native.get_provider_options(),
            "assigned_nodes": executed.nodes,
            "precision_evidence": executed.text,
            "graph": recipe.graph.name,
        },
    )
