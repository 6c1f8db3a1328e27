"""PyTorch behind the runtime protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import (
    LoadError,
    MissingExtraError,
    PlacementError,
    TargetUnsupportedError,
)
from ipfs_accelerate.hardware import Precision, Support
from ipfs_accelerate.runtimes._loading import (
    failure,
    require_options,
    require_precision,
    thread_count,
)
from ipfs_accelerate.runtimes.protocol import SessionInfo
from ipfs_accelerate.runtimes.target import Target
from ipfs_accelerate.runtimes.torch._evidence import parameter_precision
from ipfs_accelerate.runtimes.torch._library import (
    backend_support,
    installed,
    library,
    probe,
    torch_name,
)
from ipfs_accelerate.runtimes.torch._session import TorchSession
from ipfs_accelerate.runtimes.torch._support import (
    COMPILE,
    WAYS,
    compiler_support,
    precision_support,
    support_of,
)
from ipfs_accelerate.telemetry import MonotonicClock, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.hardware import Device
    from ipfs_accelerate.models import ModelArtifact, TensorSpec
    from ipfs_accelerate.runtimes.protocol import LoadOptions

__all__ = ["TorchRuntime"]


class TorchRuntime:
    """See `Runtime`."""

    @property
    def name(self) -> str:
        """See `Runtime.name`."""
        return "torch"

    @property
    def option_names(self) -> frozenset[str]:
        """See `Runtime.option_names`."""
        return frozenset({"threads"})

    def probe(self) -> Support:
        """See `Runtime.probe`."""
        return probe()

    def targets(self, devices: Sequence[Device]) -> list[tuple[Target, Support]]:
        """See `Runtime.targets`; each precision eager and compiled."""
        verdict = installed()
        return [
            (
                Target(self.name, device.id, precision, options),
                support_of(device, precision, compiled=bool(options))
                if verdict.usable
                else verdict,
            )
            for device in devices
            for precision in WAYS.get(device.kind, ())
            for options in ((), (COMPILE,))
        ]

    def load(self, artifact: ModelArtifact, target: Target, options: LoadOptions) -> TorchSession:
        """See `Runtime.load`."""
        clock = MonotonicClock()
        started_ns = clock.now_ns()
        require_options(target, self.option_names | {COMPILE})
        self._require_usable(target)
        threads = thread_count(target, options)
        module, inputs, outputs = _component(artifact, target, options)
        _require_placed(module, target)
        compiled = target.option(COMPILE) is not None
        executed = _executed(module, target)
        runner = _compiled(module) if compiled else module
        info = SessionInfo(
            target=target,
            executed_precision=executed,
            inputs=inputs,
            outputs=outputs,
            load_ns=clock.now_ns() - started_ns,
            origin=Origin.MEASURED,
            weights_bytes=_held_bytes(module),
            versions=_versions(),
            settings=_settings(threads, compiled=compiled),
        )
        return TorchSession(info, runner, threads=threads, compiled=compiled)

    def _require_usable(self, target: Target) -> None:
        if not self.probe().usable:
            raise MissingExtraError("torch", needed_for=str(target), module="torch")
        kinds = {kind.value: ways for kind, ways in WAYS.items()}
        kind, _, index = target.device.partition(":")
        is_odd = bool(index) and (kind == "cpu" or not index.isdecimal())
        if is_odd or target.precision not in kinds.get(kind, ()):
            raise TargetUnsupportedError(f"{target} is not a target of torch")
        checks = [backend_support(target.device)]
        if target.device == "cpu":
            checks.append(precision_support("cpu", target.precision, _cpu_precisions()))
        if target.option(COMPILE) is not None:
            checks.append(compiler_support(target.device))
        for verdict in checks:
            if not verdict.usable:
                raise TargetUnsupportedError(f"{target}: {verdict.reason}", hint=verdict.hint)


def _cpu_precisions() -> frozenset[Precision]:
    from ipfs_accelerate.hardware.cpu import find_cpu
    from ipfs_accelerate.hardware.system import System

    return find_cpu(System.local()).precisions


def _component(
    artifact: ModelArtifact, target: Target, options: LoadOptions
) -> tuple[Any, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    if not artifact.formats & {"safetensors", "pytorch_bin"}:
        raise TargetUnsupportedError(
            f"{target}: {artifact.name} has no PyTorch weights, only"
            f" {', '.join(sorted(artifact.formats)) or 'nothing'}",
            hint="use onnxruntime or openvino",
        )
    from ipfs_accelerate.models.conversion import torch_component

    dtype = "fp32" if target.precision is Precision.TF32 else target.precision.value
    module, inputs, outputs = torch_component(
        artifact, options.component, dtype=dtype, allow_remote_code=options.allow_remote_code
    )
    try:
        return module.eval().to(torch_name(target.device)), inputs, outputs
    except (RuntimeError, AssertionError) as error:
        raise failure(error, LoadError, f"{target} refused {artifact.name}") from error


def _require_placed(module: Any, target: Target) -> None:  # noqa: ANN401
    wanted = library().device(torch_name(target.device))
    places = {t.device for t in (*module.parameters(), *module.buffers())}
    wrong = {d for d in places if d.type != wanted.type or (wanted.index or 0) != (d.index or 0)}
    if wrong:
        raise PlacementError(f"{target}: weights lie on {', '.join(map(str, wrong))}")


def _executed(module: Any, target: Target) -> Precision:  # noqa: ANN401
    """Precision of the weights; products follow it, but for TF32, a switch set for each run."""
    found = parameter_precision(module.parameters()) or target.precision
    is_tf32 = target.precision is Precision.TF32 and found is Precision.FP32
    executed = Precision.TF32 if is_tf32 else found
    require_precision(target, executed, "dtype of most weights")
    return executed


def _compiled(module: Any) -> Any:  # noqa: ANN401
    torch = library()
    import torch._inductor.config as inductor

    inductor.compile_threads = 1  # no pool of processes that outlives the session
    return torch.compile(module)


def _held_bytes(module: Any) -> int:  # noqa: ANN401
    storages = {
        s.data_ptr(): s.nbytes()
        for t in (*module.parameters(), *module.buffers())
        for s in (t.untyped_storage(),)
    }
    return sum(storages.values())


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    torch = library()
    found = {"torch": str(torch.__version__), "transformers": version("transformers")}
    return found | {k: v for k in ("cuda", "hip") if (v := getattr(torch.version, k))}


def _settings(threads: int, *, compiled: bool) -> dict[str, object]:
    return {
        "threads": threads,
        "compiled": compiled,
        "mkldnn": bool(library().backends.mkldnn.is_available()),
        "precision_evidence": "dtype of most weights",
    }
