"""Execution providers: which device each serves, in which precisions, and why not."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.hardware import Device, DeviceKind, Precision, Support

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PROVIDERS", "Provider", "provider_for", "support_of"]

_FP32, _TF32, _FP16 = Precision.FP32, Precision.TF32, Precision.FP16
_BF16, _INT8 = Precision.BF16, Precision.INT8


@dataclass(frozen=True, slots=True)
class Provider:
    """One execution provider of the library.

    Attributes:
        name: As the library spells it.
        kind: Devices it serves; the part of a device id before ``:`` is the same word.
        ways: Precision and options of each of its targets.
        package: What to install where the wheel lacks it.
        gap: Why it is not used even where the wheel has it; ``None`` when it is used.
    """

    name: str
    kind: DeviceKind
    ways: tuple[tuple[Precision, tuple[str, ...]], ...]
    package: str
    gap: str | None = None

    def options(self, device_id: str, precision: Precision) -> dict[str, str]:
        """Provider options that make it compute on this device in this precision."""
        index = device_id.partition(":")[2] or "0"
        match self.name:
            case "CPUExecutionProvider":
                return {}
            case "CUDAExecutionProvider":
                return {"device_id": index, "use_tf32": str(int(precision is _TF32))}
            case "TensorrtExecutionProvider":
                return {"device_id": index, "trt_fp16_enable": str(int(precision is _FP16))}
            case "QNNExecutionProvider":
                return {"backend_type": "htp"}
            case _:
                return {"device_id": index}


PROVIDERS = (
    Provider(
        "CPUExecutionProvider",
        DeviceKind.CPU,
        ((_FP32, ()), (_INT8, ()), (_FP16, ()), (_BF16, ())),
        "onnxruntime",
    ),
    Provider(
        "CUDAExecutionProvider",
        DeviceKind.CUDA,
        ((_FP32, ()), (_TF32, ()), (_FP16, ())),
        "onnxruntime-gpu",
    ),
    Provider(
        "TensorrtExecutionProvider",
        DeviceKind.CUDA,
        ((_FP32, ("tensorrt",)), (_FP16, ("tensorrt",))),
        "onnxruntime-gpu",
    ),
    Provider(
        "MIGraphXExecutionProvider",
        DeviceKind.ROCM,
        ((_FP32, ()), (_FP16, ())),
        "onnxruntime-migraphx",
    ),
    Provider(
        "CoreMLExecutionProvider",
        DeviceKind.MPS,
        ((_FP32, ()), (_FP16, ())),
        "onnxruntime",
        gap="CoreML does not report on which unit and in which precision it computes",
    ),
    Provider("QNNExecutionProvider", DeviceKind.QNN, ((_INT8, ()),), "onnxruntime-qnn"),
    Provider(
        "QNNExecutionProvider",
        DeviceKind.EMULATOR,
        ((_INT8, ()),),
        "onnxruntime-qnn",
        gap="the simulator shows that a model runs, never how fast; it is not used for runs",
    ),
)


def provider_for(device_id: str, options: tuple[str, ...]) -> Provider | None:
    """The provider behind a device id and the options of a target."""
    kind, _, index = device_id.partition(":")
    if (index and not index.isdecimal()) or device_id.startswith("cpu:"):
        return None
    ours = [p for p in PROVIDERS if p.kind.value == kind]
    with_option = [p for p in ours if any("tensorrt" in way[1] for way in p.ways)]
    if "tensorrt" in options:
        return next(iter(with_option), None)
    return next((p for p in ours if p not in with_option), None)


def support_of(
    device: Device, provider: Provider, precision: Precision, available: Mapping[str, object]
) -> Support:
    """Whether a provider can serve a device in a precision; ``available`` are the wheel's."""
    if not device.support.usable:
        return device.support
    if provider.name not in available:
        return Support.no(
            f"this onnxruntime has no {provider.name} (only {', '.join(available)})",
            f"pip install {provider.package}",
        )
    if provider.gap:
        return Support.no(provider.gap)
    if provider.kind is DeviceKind.CPU:
        return _cpu_support(precision)
    return Support.yes(f"{provider.name} serves {device.id}")


def _cpu_support(precision: Precision) -> Support:
    """The CPU provider's kernels.

    Source: docs/OperatorKernels.md of ONNX Runtime: MatMul, Gemm and Conv exist for float and
    double; half precision is cast to float and back.
    """
    match precision:
        case Precision.FP32:
            return Support.yes("MLAS kernels in fp32")
        case Precision.INT8:
            return Support.yes(f"MLAS integer kernels for {platform.machine()}")
        case _:
            return Support.no(
                f"the CPU provider has no {precision.value} matrix kernels for"
                f" {platform.machine()}: it would cast to fp32 and back",
                "use openvino or torch where the processor multiplies it natively",
            )
