"""Every chart by its kind: a module of this folder that is named like it and defines ``CHART``."""

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
    """Kind → chart, sorted; loads them all."""
    found = [chart for name in _modules() if (chart := _chart_of(name)) is not None]
    return {chart.kind: chart for chart in sorted(found, key=lambda chart: str(chart.kind))}


def chart_named(kind: str) -> Chart[Any]:
    """The chart of that kind; loads no other.

    Raises:
        UnknownNameError: There is none.
    """
    name = kind.replace("-", "_")
    chart = _chart_of(name) if name in _modules() else None
    if chart is None or chart.kind != kind:
        raise UnknownNameError(kind, charts())
    return chart


@cache
def _modules() -> frozenset[str]:
    found = iter_modules(import_module(_FOLDER).__path__)
    return frozenset(module.name for module in found if not module.name.startswith("_"))


def _chart_of(name: str) -> Chart[Any] | None:
    chart = getattr(import_module(f"{_FOLDER}.{name}"), "CHART", None)
    return chart if isinstance(chart, Chart) else None
