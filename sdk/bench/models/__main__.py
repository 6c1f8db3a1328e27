"""Writes the models of a suite with their inputs and weights, from a seed.

python sdk/bench/models SUITE FOLDER [FILTER]
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main(suite: str, folder: str, pattern: str = "") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for graph, output in importlib.import_module(suite).models():
        if re.search(pattern, graph.name.split(".")[0]):
            graph.save(Path(folder), output)


if __name__ == "__main__":
    main(*sys.argv[1:])
