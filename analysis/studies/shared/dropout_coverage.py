"""Points far from the data whose activation patterns the training points cover, with and without Dropout."""

from typing import NamedTuple

import numpy as np

from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.far_from_data import (
    BOUND_TOLERANCE,
    KnownPatterns,
    PatternSlopes,
    choose_different,
    network_and_training_inputs,
    patterns_and_slopes,
    square_grid,
)
from benevolent.trainables.rng import generator

#: Axis: the rate of Dropout.
RATE = "model.dropout"
#: Points of the square along a side.
SIDE = 20
#: Bounds computed per network, at most.
BOUNDS = 12
#: Draws of Dropout per training point.
DRAWS = 3


class Coverage(NamedTuple):
    """Coverage and bounds of one network at the far points.

    Attributes:
        plain_coverage: fraction covered by the training points' patterns, without Dropout.
        coverage: fraction covered as training shows the patterns, with the network's own rate.
        masked_coverage: fraction covered with the highest rate of the study.
        bounds: number of bounds computed.
        violated: number of bounds below the true slope.
        bound: median bound; NaN without one.
        looseness: median of bound / slope; NaN without one.
    """

    plain_coverage: float
    coverage: float
    masked_coverage: float
    bounds: int
    violated: int
    bound: float
    looseness: float


def measure_coverage(runs: Results, run_id: str, highest_rate: float) -> Coverage:
    """Return the coverage and the bounds of one network.

    Args:
        runs: results with the run.
        run_id: of the network.
        highest_rate: of Dropout in the study.
    """
    network, inputs = network_and_training_inputs(runs, run_id)
    rate = runs.config(run_id).flat()[RATE]
    plain = KnownPatterns(patterns_and_slopes(network, inputs))
    points = patterns_and_slopes(network, square_grid(runs, run_id, SIDE))
    far = ~plain.contain(points.patterns)
    repeated = inputs.repeat(DRAWS, *[1] * (inputs.ndim - 1))
    streams = [generator(0, "studies/dropout", step) for step in range(2 if rate else 1)]
    masked = KnownPatterns(patterns_and_slopes(network, repeated, highest_rate, streams[-1]))
    shown = KnownPatterns(patterns_and_slopes(network, repeated, rate, streams[0])) if rate else plain

    def covered_fraction(known: KnownPatterns) -> float:
        return float((known.span(points.patterns) & far).sum() / far.sum())

    bounds, slopes = _bounds(shown, points, far)
    moving = slopes > 0
    looseness = bounds[moving] / slopes[moving]
    return Coverage(
        plain_coverage=covered_fraction(plain),
        coverage=covered_fraction(shown),
        masked_coverage=covered_fraction(masked),
        bounds=len(bounds),
        violated=int((bounds < slopes - BOUND_TOLERANCE).sum()),
        bound=_median(bounds),
        looseness=_median(looseness),
    )


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _bounds(known: KnownPatterns, points: PatternSlopes, far: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of some different patterns that known patterns span far from the data, and the true slopes."""
    covered = known.span(points.patterns) & far
    chosen = choose_different(points.patterns, covered, BOUNDS)
    return known.bounds(points.patterns[chosen]), points.slopes[chosen]
