"""Controls of the study `layers-equal`: distances, random steps, several layers, and the most critical one."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.statistics import spearman
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.layers_equal_tables import FAMILIES, SIZE, START, at, fall_along, mean_drop
from benevolent.analysis.studies.shared.seed_means import mean_over_seeds, seed_mean, show_interval, show_intervals
from benevolent.analysis.studies.shared.tables import Tables

#: Rank correlation from which a distance is said to follow the drop in accuracy.
FOLLOWS = 0.6
DISTANCES = {"distance": "distance", "relative_distance": "relative distance", "largest_change": "largest change"}

#: Claims of the findings.
LARGEST_DROP = StudyClaim(
    "In deeper networks the most critical layer costs less, too",
    explanation="the critical layer of a deeper network costs as much, and only its share of the mean is smaller",
    kind="ours",
)
RANDOM_STEP = StudyClaim(
    "A random step as long costs the critical layers less",
    explanation="where a layer is left alone by training, both steps cost little",
    kind="ours",
)
TOGETHER = StudyClaim(
    "The perceptron's robust layers can be set back together",
    explanation="each is robust given the others as trained",
    kind="ours",
)
DISTANCE = StudyClaim("How far a layer moved does not tell whether it is critical")


def largest_drop_finding(sizes: pd.DataFrame) -> Finding:
    """Ask whether the most critical layer, too, costs less in deeper networks."""
    difference = fall_along(sizes, "model.depth", "max")
    largest = at(sizes, START).groupby([*SIZE, "seed"])["drop"].max()
    shown = ", ".join(f"{depth}: {drop:.3f}" for depth, drop in largest.groupby("model.depth").mean().items())
    evidence = f"largest drop of a layer, smallest depth less largest {show_interval(difference, '+.3f')}; {shown}"
    return LARGEST_DROP.decide(difference.low > 0, evidence)


def distance_finding(moves: Tables) -> Finding:
    """Ask whether layers that moved farther cost more."""
    table = pd.concat([rows.assign(family=name) for name, rows in moves.items()])
    correlations = {}
    for column, label in DISTANCES.items():
        correlations[label] = mean_over_seeds(table, _correlation(column), (-1, 1))
    holds = None
    if max(one.high for one in correlations.values()) < FOLLOWS:
        holds = True
    elif max(one.low for one in correlations.values()) > FOLLOWS:
        holds = False
    of_distance = _correlation("distance")
    by_family = ", ".join(f"{FAMILIES[name]} {of_distance(rows):+.2f}" for name, rows in moves.items())
    evidence = f"Spearman over layers: {show_intervals(correlations)}; distance by family: {by_family}"
    return DISTANCE.decide(holds, evidence)


def _correlation(column: str) -> Callable[[pd.DataFrame], float]:
    """Return the function from the layers of some networks to the mean of each network's rank correlation."""

    def correlation(rows: pd.DataFrame) -> float:
        keys = [key for key in ("family", "seed") if key in rows]
        networks = [network for _, network in rows.groupby(keys)]
        return float(np.mean([spearman(network[column], network["reset_drop"]) for network in networks]))

    return correlation


def random_step_finding(moves: Tables, critical: Mapping[str, Sequence[int]]) -> Finding:
    """Compare the step back of the critical layers with a random step as long."""
    differences = {}
    drops = []
    for name, table in moves.items():
        rows = table[table["layer"].isin(critical[name])]
        excess = rows.assign(excess=rows["reset_error"] - rows["random_error"])
        differences[FAMILIES[name]] = seed_mean(excess, "excess")
        drops.append(f"{rows['random_drop'].mean():.3f}")
    shown = show_intervals(differences, "+.3f")
    evidence = f"accuracy that the step back costs more: {shown}; the random step costs {', '.join(drops)}"
    return RANDOM_STEP.decide(min(difference.low for difference in differences.values()) > 0, evidence)


def together_finding(drops: pd.DataFrame, tolerance: float) -> Finding:
    """Ask whether the layers above the first are robust together."""
    several = mean_drop(at(drops, START, [0]))
    return TOGETHER.decide(several.high < tolerance, f"accuracy falls by {show_interval(several, '.3f')}")
