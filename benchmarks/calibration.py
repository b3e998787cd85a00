"""Measure how often `judge` claims something where there is nothing, and finds what is there.

    python benchmarks/calibration.py [--tables 200] [--permutations 400] > benchmarks/results/calibration.txt

Each scenario draws tables of 48 configurations (4 x 3 x 2 x 2) with 5 seeds and judges 5 predictors on each.
Printed per scenario: the share of tables with any predictor that "adds", with its standard error; the shares of
single tests with p <= 0.05 (gain over the axes; within configurations); and the shares of predictors that "add" and
that are undecided. In the null scenarios the first figure should stay at or under 0.05 up to its standard error; in
the planted ones the last but one should be high. A gain at p <= 0.05 is no error where the gain is real, and no
verdict where it is not: it takes both tests.
"""

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.judging import judge
from analysis.statistics.montecarlo import LOOKS

AXES: dict[str, list[float]] = {
    "scale": [0.5, 1, 2, 4],
    "corruption": [0, 0.5, 1],
    "width": [32, 128],
    "pruned": [0.0, 0.8],
}
SEEDS = 5
PREDICTORS = 5


class Draw:
    """Random effects on the grid of runs of one table."""

    def __init__(self, random: np.random.Generator):
        self.random = random
        rows = list(itertools.product(*map(list, AXES.values()), range(SEEDS)))
        self.table = pd.DataFrame(rows, columns=[*AXES, "seed"])

    def effect(self, *columns: str) -> np.ndarray:
        """One normal draw per combination of the columns; of the run itself without columns."""
        if not columns:
            return self.random.normal(size=len(self.table))
        code = self.table.groupby(list(columns)).ngroup().to_numpy()
        return self.random.normal(size=code.max() + 1)[code]

    def axes(self) -> np.ndarray:
        """Main effects and one pairwise interaction."""
        return sum((self.effect(axis) for axis in AXES), start=self.effect("scale", "width"))


def independent(draw: Draw) -> None:
    """Predictors and target are noise."""
    draw.table["target"] = draw.effect()
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = draw.effect()


def configuration_effects(draw: Draw) -> None:
    """Axes and configurations act on both, independently."""
    draw.table["target"] = draw.axes() + draw.effect(*AXES) + draw.effect()
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = draw.axes() + draw.effect(*AXES) + draw.effect()


def functions_of_axes(draw: Draw) -> None:
    """Predictors are functions of the axes, the target has three-way interactions; nothing within."""
    draw.table["target"] = draw.axes() + draw.effect("scale", "corruption", "width") + 0.3 * draw.effect()
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = draw.axes() + i * draw.effect("scale", "corruption", "width")


def noisy_functions_of_axes(draw: Draw) -> None:
    """Predictors are the noiseless target with noise of their own: a real gain, nothing within."""
    truth = draw.axes() + draw.effect(*AXES)
    draw.table["target"] = truth + draw.effect()
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = truth + 0.3 * draw.effect()


def shared_seeds(draw: Draw) -> None:
    """The same seed has the same luck in every configuration, more so in those of equal width."""

    def values() -> np.ndarray:
        return draw.axes() + draw.effect("seed") + draw.effect("seed", "width") + 0.5 * draw.effect()

    draw.table["target"] = values()
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = values()


def lucky(draw: Draw, *shared: str) -> None:
    """A real gain between configurations, nothing within but strong luck of each seed with these axes."""
    truth = draw.axes() + draw.effect(*AXES)
    draw.table["target"] = truth + 2 * draw.effect("seed", *shared) + 0.5 * draw.effect()
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = truth + 2 * draw.effect("seed", *shared) + 0.3 * draw.effect()


def seed_and_two_axes(draw: Draw) -> None:
    """Strong luck shared by the runs of one seed, one scale and one width; the gain is real."""
    lucky(draw, "scale", "width")


def seed_and_two_binary_axes(draw: Draw) -> None:
    """The same with the two axes of two values: one contrast per seed is all that is shared."""
    lucky(draw, "width", "pruned")


def seed_and_three_axes(draw: Draw) -> None:
    """The same with three axes."""
    lucky(draw, "scale", "corruption", "width")


def seed_and_two_axes_ragged(draw: Draw) -> None:
    """The same with two axes, and a fifth of the runs missing."""
    seed_and_two_axes(draw)
    draw.table = draw.table[draw.random.random(len(draw.table)) > 0.2].reset_index(drop=True)


def ragged_and_heavy(draw: Draw) -> None:
    """A fifth of the runs diverged, unequal heavy-tailed noise, ties, and missing predictors."""
    n = len(draw.table)
    spread = np.exp(draw.effect(*AXES))
    draw.table["target"] = np.round(draw.axes() + spread * draw.random.standard_t(2, n), 1)
    draw.table["status"] = np.where(draw.random.random(n) < 0.2, "diverged", "converged")
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = np.exp(draw.axes() + np.exp(draw.effect(*AXES)) * draw.random.standard_t(2, n))
        draw.table.loc[draw.random.random(n) < 0.02 * i, f"p{i}"] = np.nan


def planted(draw: Draw) -> None:
    """One shared cause per run, over axes, configurations and noise."""
    cause = draw.effect()
    draw.table["target"] = draw.axes() + 0.5 * draw.effect(*AXES) + cause
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = 0.5 * draw.axes() + cause + draw.effect()


def one_planted(draw: Draw) -> None:
    """One such predictor among noise."""
    planted(draw)
    for i in range(1, PREDICTORS):
        draw.table[f"p{i}"] = draw.axes() + draw.effect(*AXES) + draw.effect()


def planted_with_luck(draw: Draw) -> None:
    """The same among strong luck of seeds with two axes."""
    planted(draw)
    for name in ["target", *(f"p{i}" for i in range(PREDICTORS))]:
        draw.table[name] += draw.effect("seed") + draw.effect("seed", "scale", "width")


def weakly_planted(draw: Draw) -> None:
    """A cause that makes a quarter of the variance of target and predictors beside the axes."""
    cause = draw.effect()
    for name in ["target", *(f"p{i}" for i in range(PREDICTORS))]:
        draw.table[name] = draw.axes() + cause + 3**0.5 * draw.effect()


def planted_and_ragged(draw: Draw) -> None:
    """A planted cause, and a tenth of the runs missing."""
    planted(draw)
    draw.table = draw.table[draw.random.random(len(draw.table)) > 0.1].reset_index(drop=True)


NULLS: list[Callable[[Draw], None]] = [
    independent,
    configuration_effects,
    functions_of_axes,
    noisy_functions_of_axes,
    shared_seeds,
    seed_and_two_axes,
    seed_and_two_binary_axes,
    seed_and_three_axes,
    seed_and_two_axes_ragged,
    ragged_and_heavy,
]
PLANTED: list[Callable[[Draw], None]] = [
    planted,
    one_planted,
    planted_with_luck,
    weakly_planted,
    planted_and_ragged,
]


def rates(scenario: Callable[[Draw], None], tables: int, permutations: int | None, seed: int) -> dict[str, float]:
    """Shares over many tables of one scenario."""
    claimed, adds, undecided, gains, withins = [], [], [], [], []
    for number in range(tables):
        draw = Draw(np.random.default_rng([seed, number]))
        scenario(draw)
        verdicts = judge(draw.table, "target", list(AXES), permutations=permutations, resamples=20, random_seed=number)
        added = verdicts["decision"] == "adds"
        claimed.append(added.any())
        adds.append(added.mean())
        undecided.append((verdicts["decision"] == "undecided").mean())
        gains.append((verdicts["gain_p"] <= 0.05).mean())
        withins.append((verdicts["within_p"] <= 0.05).mean())
    any_claim = float(np.mean(claimed))
    return {
        "any claim": any_claim,
        "(SE)": float(np.sqrt(any_claim * (1 - any_claim) / tables)),
        "gain": float(np.mean(gains)),
        "within": float(np.mean(withins)),
        "adds": float(np.mean(adds)),
        "undecided": float(np.mean(undecided)),
    }


def main() -> None:
    """Print the table."""
    scenarios = {scenario.__name__: scenario for scenario in [*NULLS, *PLANTED]}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--permutations", type=int, help="by default as many as judge takes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenarios", nargs="+", choices=scenarios, default=list(scenarios))
    options = parser.parse_args()
    drawn = f"{LOOKS[0]:,} to {LOOKS[-1]:,}, as judge needs" if options.permutations is None else options.permutations
    print(f"{options.tables} tables per scenario, {PREDICTORS} predictors each; permutations of each null: {drawn}")
    print("any claim (SE): share of tables with a predictor that adds; gain, within: share of p <= 0.05;")
    print("adds, undecided: share of predictors. One thread; seconds are of the whole scenario.")
    columns = ("any claim", "(SE)", "gain", "within", "adds", "undecided", "seconds")
    print("\n" + " " * 26 + "".join(f"{column:>10}" for column in columns))
    for title, group in (("nothing to find", NULLS), ("something to find", PLANTED)):
        print(title)
        for scenario in (scenario for scenario in group if scenario.__name__ in options.scenarios):
            start = time.perf_counter()
            result = rates(scenario, options.tables, options.permutations, options.seed)
            figures = "".join(f"{value:10.3f}" for value in result.values())
            print(f"  {scenario.__name__:<24}{figures}{time.perf_counter() - start:10.0f}", flush=True)


if __name__ == "__main__":
    main()
