"""What surrounded a measurement, from what is stored beside it: the only place that reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Environment"]

#: Of the machine; what else is stored beside a result describes the measurement itself.
_MACHINE = ("kernel", "python", "cores", "governor", "transparent_hugepages", "input_file")
#: Units of what a runtime measured of itself and lists among its settings.
_MEASURED = ("_ns", "_j", "_per_s")


@dataclass(frozen=True, slots=True)
class Environment:
    """What may explain that a result differs from an earlier one; unknown facts are left out.

    Attributes:
        machine: Kernel, Python, cores and the like, by name.
        versions: Library → version.
        settings: What a session was given and chose, without what it measured of itself.
    """

    machine: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def parse(cls, stored: object) -> Environment:
        """From the ``environment`` of a result or the ``metadata`` of a run, as text or mapping."""
        value = json.loads(stored) if isinstance(stored, str) else stored
        found = value if isinstance(value, Mapping) else {}
        settings = _known(found.get("settings"))
        return cls(
            machine=_known({name: found.get(name) for name in _MACHINE}),
            versions=_known(found.get("versions")),
            settings={k: v for k, v in settings.items() if not k.endswith(_MEASURED)},
        )

    @property
    def facts(self) -> dict[str, object]:
        """All of them by one name each."""
        versions = {f"version of {name}": value for name, value in self.versions.items()}
        return {**self.machine, **versions, **self.settings}


def _known(values: object) -> dict[str, object]:
    found = values if isinstance(values, Mapping) else {}
    return {str(name): value for name, value in found.items() if value is not None}
