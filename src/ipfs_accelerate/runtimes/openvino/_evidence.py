"""Reading what OpenVINO really does: its runtime model and its profile."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.hardware import Precision
from ipfs_accelerate.runtimes.protocol import Placement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "device_ids",
    "executed_precision",
    "placement_from_profile",
    "suffix_precision",
    "text_of",
]

# Beginnings of layer types that multiply matrices, in the CPU, GPU and NPU plugins' spellings.
_PRODUCTS = (
    "convolution", "deconvolution", "fullyconnected", "fully_connected", "gemm", "gru", "lstm",
    "matmul", "pagedattention", "rnn", "scaleddotproductattention", "scaled_dot_product_attention",
)  # fmt: skip
_PRECISIONS = {
    "f64": Precision.FP64,
    "f32": Precision.FP32,
    "f16": Precision.FP16,
    "bf16": Precision.BF16,
    "i8": Precision.INT8,
    "u8": Precision.INT8,
    "i4": Precision.INT4,
    "u4": Precision.INT4,
}


def executed_precision(compiled: Any) -> tuple[Precision | None, str]:  # noqa: ANN401
    """Precision of most matrix products of the compiled graph, and the counts it rests on.

    ``None`` where the device reports none; the hint that is in effect then decides for a graph
    without matrix products.
    """
    counts: Counter[Precision] = Counter()
    for node in compiled.get_runtime_model().get_ops():
        facts = node.get_rt_info()
        if "layerType" in facts and _is_product(text_of(facts["layerType"])):
            counts[_PRECISIONS[text_of(facts["runtimePrecision"])]] += 1
    if not counts:
        return _from_hint(compiled)
    listed = ", ".join(f"{n} in {p.value}" for p, n in counts.most_common())
    return counts.most_common(1)[0][0], f"matrix products: {listed}"


def _from_hint(compiled: Any) -> tuple[Precision | None, str]:  # noqa: ANN401
    hint = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    return _PRECISIONS.get(hint), f"no matrix products reported; the hint in effect is {hint}"


def _is_product(layer_type: str) -> bool:
    return layer_type.lower().startswith(_PRODUCTS)


def text_of(value: Any) -> str:  # noqa: ANN401 (OVAny or str)
    """A fact of a runtime model, which the library wraps in some versions."""
    return str(value.astype(str)) if hasattr(value, "astype") else str(value)


def device_ids(names: Iterable[str], asked: str) -> list[str]:
    """Device ids of OpenVINO's names, spelled as asked where they are the asked device."""
    found = [name.strip("()").lower().replace(".", ":") for name in names]
    return [asked if _same(name, asked) else name for name in found]


def _same(name: str, asked: str) -> bool:
    spelled = asked.removeprefix("openvino:").lower().replace(".", ":").replace("xpu", "gpu")
    return name.removesuffix(":0") == spelled.removesuffix(":0")


def placement_from_profile(rows: Sequence[Any], devices: Sequence[str]) -> Placement:
    """A `Placement` from the profile of one run.

    Args:
        rows: ``InferRequest.profiling_info``.
        devices: Ids of the execution devices; operators of a graph split over several devices are
            not told apart, so all carry the joined name.
    """
    operators: Counter[str] = Counter()
    precisions: Counter[str] = Counter()
    durations: Counter[str] = Counter()
    for row in rows:
        if row.status.name != "EXECUTED":
            continue
        operators[row.node_type] += 1
        durations[row.node_type] += round(row.real_time.total_seconds() * 1e9)
        if _is_product(row.node_type):
            precisions[suffix_precision(row.exec_type)] += 1
    return Placement(
        nodes={"+".join(devices): operators},
        source="openvino profile",
        precisions=precisions,
        node_ns=durations,
    )


def suffix_precision(kernel: str) -> str:
    """``brgemm_avx512_I8`` → ``int8``."""
    found = _PRECISIONS.get(kernel.rpartition("_")[2].lower())
    return found.value if found else "unknown"
