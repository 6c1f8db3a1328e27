"""Whether a target computes what the reference computes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import ParityError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

__all__ = ["LOWEST_COSINE", "compare_outputs", "load_outputs", "save_outputs"]

#: Executed precision → smallest cosine between outputs that still counts as the same model.
#: Chosen, not derived: each is the resolution of the format with room for some dozens of layers;
#: rows keep the differences themselves, so that a reader may draw the line elsewhere.
LOWEST_COSINE = {
    "fp64": 0.99999,
    "fp32": 0.99999,
    "tf32": 0.9999,
    "fp16": 0.9995,
    "bf16": 0.995,
    "fp8": 0.98,
    "int8": 0.97,
    "int4": 0.93,
    "int3": 0.85,
    "int2": 0.8,
    "binary": 0.7,
    "remote": 0.97,  # unknown, so as of int8
}
# A wrong scale has a cosine of 1: norms must agree as well as an error at that angle allows.
_LARGEST_NORM_ERROR = 2.0


def save_outputs(path: str | Path, outputs: Mapping[str, np.ndarray]) -> None:
    """Write outputs to an ``.npz`` file, whole or not at all."""
    import numpy as np

    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.name}.{os.getpid()}.npz")
    np.savez(partial, **{k: v for k, v in outputs.items() if v.dtype.kind in "biuf"})  # type: ignore[arg-type]
    partial.replace(final)


def load_outputs(path: str | Path) -> dict[str, np.ndarray]:
    """Read what `save_outputs` wrote."""
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def compare_outputs(
    outputs: Mapping[str, np.ndarray],
    reference: Mapping[str, np.ndarray],
    precision: str,
    *,
    mask: np.ndarray | None = None,
) -> dict[str, object]:
    """Compare the outputs that both have, in float64.

    Args:
        outputs: Of the case.
        reference: Of the reference for the same inputs.
        precision: Executed precision, which sets the bound of `LOWEST_COSINE`.
        mask: ``[batch, sequence]``, 0 where the input is padding: what a model makes of padding is
            nobody's business, and is left out of outputs that have these two dimensions.

    Returns:
        ``max_abs``, ``max_rel`` (largest difference over the largest reference value), ``cosine``
        (the smallest over the outputs), ``bound``, ``outputs`` compared and ``ok``.

    Raises:
        ParityError: No output in common, or shapes differ.
    """
    import numpy as np

    names = sorted(outputs.keys() & reference.keys())
    if not names:
        raise ParityError(
            f"no output in common: {sorted(outputs)} against {sorted(reference)} of the reference"
        )
    bound = LOWEST_COSINE.get(precision, LOWEST_COSINE["fp32"])
    found = [_difference(name, outputs[name], reference[name], mask) for name in names]
    worst = np.array(found)
    max_abs, max_rel, norm_error = worst[:, 0].max(), worst[:, 1].max(), worst[:, 3].max()
    cosine = worst[:, 2].min()
    allowed = _LARGEST_NORM_ERROR * float(np.sqrt(2 * (1 - bound)))
    is_finite = bool(np.isfinite(worst).all())
    return {
        "max_abs": float(max_abs) if is_finite else None,
        "max_rel": float(max_rel) if is_finite else None,
        "cosine": float(cosine) if is_finite else None,
        "bound": bound,
        "outputs": names,
        "ok": is_finite and bool(cosine >= bound) and bool(norm_error <= allowed),
    }


def _difference(
    name: str, output: np.ndarray, reference: np.ndarray, mask: np.ndarray | None
) -> tuple[float, float, float, float]:
    import numpy as np

    if output.shape != reference.shape:
        raise ParityError(
            f"output {name!r} has the shape {output.shape}, the reference {reference.shape}"
        )
    if mask is not None and output.shape[:2] == mask.shape:
        output, reference = output[mask == 1], reference[mask == 1]
    a, b = (np.asarray(x, dtype=np.float64).ravel() for x in (output, reference))
    if a.size == 0:
        return 0.0, 0.0, 1.0, 0.0
    with np.errstate(all="ignore"):
        max_abs = float(np.abs(a - b).max())
        norm_a, norm_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
        if norm_b == 0.0:
            return max_abs, max_abs, 1.0 if norm_a == 0.0 else 0.0, norm_a
        largest = float(np.abs(b).max())
        cosine = float(a @ b) / (norm_a * norm_b) if norm_a else 0.0
        return max_abs, max_abs / largest, cosine, abs(norm_a / norm_b - 1.0)
