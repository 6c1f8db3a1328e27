"""Every chart by its kind: a module of this folder that defines ``CHART`` is one."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import UnknownNameError
from ipfs_accelerate.evidence.figures.chart import Chart

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["chart_named", "charts"]

_FOLDER = "ipfs_accelerate.evidence.figures"


@cache
def charts() -> Mapping[str, Chart[Any]]:
    """Kind → chart, sorted."""
    names = (m.name for m in iter_modules(import_module(_FOLDER).__path__) if m.name[0] != "_")
    modules = [import_module(f"{_FOLDER}.{name}") for name in names]
    found = [m.CHART for m in modules if isinstance(getattr(m, "CHART", None), Chart)]
    return {chart.kind: chart for chart in sorted(found, key=lambda chart: str(chart.kind))}


def chart_named(kind: str) -> Chart[Any]:
    """The chart of that kind.

    Raises:
        UnknownNameError: There is none.
    """
    if kind not in charts():
        raise UnknownNameError(kind, charts())
    return charts()[kind]
