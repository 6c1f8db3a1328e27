"""Writes models with seeded random weights, their inputs and PyTorch's answers, for the SDK's tests.

    python sdk/scripts/references OUT [NAME...]

Every module beside this one that has a ``references()`` is a family. OUT gets a folder per reference and
``index.json``. A module with ``write_files(folder)`` writes what its own tests read into a folder of its name.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import torch  # noqa: E402

from case import Reference, write  # noqa: E402


def references(names: set[str]) -> list[Reference]:
    found = []
    for module in sorted(info.name for info in pkgutil.iter_modules([str(HERE)])):
        make = (
            getattr(importlib.import_module(module), "references", None)
            if module != "__main__"
            else None
        )
        found += make() if make else []
    return [reference for reference in found if not names or reference.name in names]


def write_other_files(out: Path) -> None:
    for module in sorted(info.name for info in pkgutil.iter_modules([str(HERE)])):
        write_files = (
            getattr(importlib.import_module(module), "write_files", None)
            if module != "__main__"
            else None
        )
        if write_files:
            (out / module).mkdir(parents=True, exist_ok=True)
            write_files(out / module)


def main(out: Path, names: set[str]) -> None:
    torch.set_grad_enabled(False)
    written = references(names)
    for reference in written:
        write(reference, out / reference.name)
    write_other_files(out)
    (out / "index.json").write_text(json.dumps([reference.name for reference in written]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), set(sys.argv[2:]))
