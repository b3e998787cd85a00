"""A choice of networks by one predictor: what is known about it."""

from typing import NamedTuple


class Selection(NamedTuple):
    """One row of the table of `selection_loss`.

    Attributes:
        data: the data set that networks are chosen on; empty if the table is not divided.
        direction_from: runs that the direction is taken from.
        predictor: column that networks are chosen by.
        choice: "best one" or "best 10%".
        direction: 1 if small values are chosen, -1 if large ones, 0 if all runs are tied (a random choice).
        networks: number of networks chosen.
        runs: number of networks chosen among.
        lineages: number of lineages that were resampled.
        chosen: mean outcome of the chosen networks.
        lost_to_best: `chosen` minus the mean outcome of the best choice of as many networks.
        best_low: lower end of its interval.
        best_high: upper end of its interval.
        lost_to_reference: `chosen` minus that of a choice by the reference predictor, its smallest values.
        reference_low: lower end of its interval.
        reference_high: upper end of its interval.
        lost_to_random: `chosen` minus the mean outcome of all networks; below 0: better than at random.
        random_low: lower end of its interval.
        random_high: upper end of its interval.
        recovered: `-lost_to_random / (lost_to_best - lost_to_random)`: 0 at random, 1 at best.
    """

    data: str
    direction_from: str
    predictor: str
    choice: str
    direction: int
    networks: int
    runs: int
    lineages: int
    chosen: float
    lost_to_best: float
    best_low: float
    best_high: float
    lost_to_reference: float
    reference_low: float
    reference_high: float
    lost_to_random: float
    random_low: float
    random_high: float
    recovered: float
