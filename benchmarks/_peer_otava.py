"""Runs inside the peer's environment: Apache Otava's change points of series from stdin's file."""

from __future__ import annotations

import json
import sys

import numpy as np
from otava.analysis import compute_change_points


def main() -> None:
    series = np.load(sys.argv[1])
    thresholds = json.loads(sys.argv[2])
    magnitude = float(sys.argv[3])
    found = [
        [
            [
                (int(point.index), float(point.stats.forward_rel_change()))
                for point in compute_change_points(
                    row[np.isfinite(row)].tolist(), max_pvalue=p, min_magnitude=magnitude
                )[0]
            ]
            for row in series
        ]
        for p in thresholds
    ]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
