"""The child process that quantizes: ``python -m ipfs_accelerate.quantize._worker FOLDER``.

Reads ``FOLDER/job.json`` and ``FOLDER/feeds.npz``, leaves its files where the job says and its
answer in ``FOLDER/result.json``. Everything heavy dies with it.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

Feed = dict[str, np.ndarray]
Run = Callable[[Feed], dict[str, np.ndarray]]


def load_feeds(path: Path) -> dict[str, list[Feed]]:
    """``component/calibration`` and ``component/checks`` → feeds, in order."""
    groups: dict[str, dict[int, Feed]] = {}
    with np.load(path, allow_pickle=False) as stored:
        for key in stored.files:
            group, index, name = key.split("|", 2)
            groups.setdefault(group, {}).setdefault(int(index), {})[name] = stored[key]
    return {group: [feeds[i] for i in sorted(feeds)] for group, feeds in groups.items()}


def dynamic_onnx(source: Path, folder: Path, feeds: Sequence[Feed]) -> Path:  # noqa: ARG001
    """Integer matrix products with ranges taken at run time."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target = folder / f"{source.stem}.onnx"
    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul", "Gather", "LSTM"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )
    return target


def static_onnx(source: Path, folder: Path, feeds: Sequence[Feed]) -> Path:
    """Quantize and dequantize nodes with calibrated ranges."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # an untyped base
        def __init__(self) -> None:
            self._left: Iterator[Feed] = iter(feeds)

        def get_next(self) -> dict[str, np.ndarray]:
            # None ends it, which the declaration of the base leaves out
            return cast("dict[str, np.ndarray]", next(self._left, None))

    target = folder / f"{source.stem}.onnx"
    quantize_static(
        source,
        target,
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["MatMul", "Gemm", "Conv"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )
    return target


def half_onnx(source: Path, folder: Path, feeds: Sequence[Feed]) -> Path:  # noqa: ARG001
    """Weights and arithmetic in fp16, inputs and outputs as before."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    target = folder / f"{source.stem}.onnx"
    model = convert_float_to_float16(onnx.load(source), keep_io_types=True)
    onnx.save(model, target)
    return target


def static_openvino(source: Path, folder: Path, feeds: Sequence[Feed]) -> Path:
    """NNCF's post-training quantization with the scheme for attention models."""
    import nncf
    import openvino

    nncf.set_log_level(logging.ERROR)
    model = openvino.Core().read_model(source)
    quantized = nncf.quantize(
        model,
        nncf.Dataset(list(feeds)),
        subset_size=len(feeds),
        model_type=nncf.ModelType.TRANSFORMER,
    )
    target = folder / f"{source.stem}.xml"
    openvino.save_model(quantized, target, compress_to_fp16=False)
    return target


RECIPES: dict[str, Callable[[Path, Path, Sequence[Feed]], Path]] = {
    "dynamic_onnx": dynamic_onnx,
    "static_onnx": static_onnx,
    "half_onnx": half_onnx,
    "static_openvino": static_openvino,
}


def _onnx_run(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_outputs()]

    def run(feed: Feed) -> dict[str, np.ndarray]:
        return dict(zip(names, map(np.asarray, session.run(names, feed)), strict=True))

    return run


def _openvino_run(path: Path) -> Run:
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [port.get_any_name() for port in compiled.outputs]
    request = compiled.create_infer_request()
    return lambda feed: dict(
        zip(names, (np.array(v) for v in request.infer(feed).values()), strict=True)
    )


def measure_parity(reference: Run, quantized: Run, feeds: Sequence[Feed]) -> dict[str, Any]:
    """Per output: largest absolute and relative difference, and cosine over all values."""
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for feed in feeds:
        wanted, found = reference(feed), quantized(feed)
        for name, value in wanted.items():
            pairs.setdefault(name, []).append((np.ravel(value), np.ravel(found[name])))
    return {
        name: _difference(
            np.concatenate([a for a, _ in rows]).astype(np.float64),
            np.concatenate([b for _, b in rows]).astype(np.float64),
        )
        for name, rows in pairs.items()
    }


def _difference(wanted: np.ndarray, found: np.ndarray) -> dict[str, float | None]:
    if not wanted.size:
        return {"max_abs": None, "max_rel": None, "cosine": None}
    gap = float(np.max(np.abs(wanted - found)))
    peak = float(np.max(np.abs(wanted)))
    norms = float(np.linalg.norm(wanted) * np.linalg.norm(found))
    return {
        "max_abs": gap,
        "max_rel": gap / peak if peak else None,
        "cosine": float(wanted @ found) / norms if norms else None,
    }


def work(folder: Path) -> dict[str, Any]:
    """Do the job described in a folder."""
    job = json.loads((folder / "job.json").read_text())
    feeds = load_feeds(folder / "feeds.npz")
    target = Path(job["target"])
    made: dict[str, str] = {}
    parity: dict[str, Any] = {}
    for name, source in job["components"].items():
        target_folder = target / name
        target_folder.mkdir(parents=True)
        calibration = feeds.get(f"{name}/calibration", [])
        path = RECIPES[job["recipe"]](Path(source), target_folder, calibration)
        made[name] = str(path.relative_to(target))
        run = _openvino_run if path.suffix == ".xml" else _onnx_run
        parity[name] = measure_parity(_onnx_run(Path(source)), run(path), feeds[f"{name}/checks"])
    return {"components": made, "parity": parity}


def main() -> None:
    """Do the job; an unexpected error ends in a trace on stderr and a status of 1."""
    folder = Path(sys.argv[1])
    (folder / "result.json").write_text(json.dumps(work(folder), allow_nan=False))


if __name__ == "__main__":
    main()
