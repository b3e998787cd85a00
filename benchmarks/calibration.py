"""Measure how often `judge` claims something where there is nothing, and finds what is there.

    python benchmarks/calibration.py [--tables 200] [--permutations 400] > benchmarks/results/calibration.txt

Each scenario draws tables of 48 configurations (4 x 3 x 2 x 2) with 5 seeds and judges 5 predictors on each, if it
does not say otherwise. Printed per scenario: the share of tables with any predictor that "adds" though it does not,
with its standard error; the false discovery rate, the share of such among all that "add"; the shares of single tests
with p <= 0.05 (gain over the axes; within configurations); and the shares of predictors that "add" and that are
undecided. The first figures should stay at or under 0.05 up to their standard error; where something is planted, the
share that "adds" is the power. A gain at p <= 0.05 is no error where the gain is real, and no verdict where it is not:
it takes both tests.
"""

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from benevolent.analysis.judging.judge import judge
from benevolent.analysis.statistics.sequential_permutation import PERMUTATION_STAGES

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
        self.true: set[str] = set()  # the predictors that do add something
        self.seeds(SEEDS)

    def seeds(self, count: int) -> None:
        """Begin with so many seeds per configuration."""
        rows = list(itertools.product(*map(list, AXES.values()), range(count)))
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


def correlated_axes(draw: Draw) -> None:
    """Half of the grid is missing: mostly configurations that are large on one axis and small on another."""
    configuration_effects(draw)
    away = (draw.table["scale"] > 1) == (draw.table["width"] > 32)
    drop = draw.effect(*AXES) > np.where(away, 0.8, -0.8)
    draw.table = draw.table[~drop].reset_index(drop=True)


def few_seeds(draw: Draw) -> None:
    """The fewest seeds that are judged, four."""
    draw.seeds(4)
    configuration_effects(draw)


def many_seeds(draw: Draw) -> None:
    """Twelve seeds."""
    draw.seeds(12)
    configuration_effects(draw)


def forty_predictors(draw: Draw) -> None:
    """Forty predictors, half of them functions of the axes with noise."""
    draw.table["target"] = draw.axes() + draw.effect(*AXES) + draw.effect()
    for i in range(40):
        draw.table[f"p{i}"] = draw.axes() + draw.effect(*AXES) + (draw.effect() if i % 2 else 0.1 * draw.effect())


def nonlinear_functions_of_axes(draw: Draw) -> None:
    """Products and steps of the axes, in target and predictors alike; nothing within."""
    axes = {axis: draw.table[axis].rank(method="dense").to_numpy() for axis in AXES}
    bump = (axes["scale"] > 2) * axes["corruption"] * (axes["width"] - 1.5)
    draw.table["target"] = 3 * bump + draw.effect()
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = bump * (axes["pruned"] + i) + 0.1 * draw.effect()


def simpson(draw: Draw) -> None:
    """Predictors and target rise together over the axes, and are unrelated between runs that share them."""
    level = 2 * draw.table["scale"] + draw.table["corruption"]
    draw.table["target"] = level + draw.effect()
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = level + draw.effect()


def simpson_reversed(draw: Draw) -> None:
    """Over the axes they rise together; between runs that share them, the larger predictor has the smaller target."""
    level, cause = 3 * draw.table["scale"], draw.effect()
    draw.table["target"] = level - cause + 0.5 * draw.effect()
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = level + cause + 0.5 * draw.effect()
    draw.true = {f"p{i}" for i in range(PREDICTORS)}


def planted_at(draw: Draw, share: float) -> None:
    """Among noise, one predictor with a cause that makes this share of the variance of both within configurations."""
    cause = draw.effect()

    def value(part: float) -> np.ndarray:
        return draw.axes() + draw.effect(*AXES) + part**0.5 * cause + (1 - part) ** 0.5 * draw.effect()

    draw.table["target"] = value(share)
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = value(share if i == 0 else 0.0)
    draw.true = {"p0"}


def planted_small(draw: Draw) -> None:
    """A share of 0.15: correlation 0.15 within configurations."""
    planted_at(draw, 0.15)


def planted_medium(draw: Draw) -> None:
    """A share of 0.3."""
    planted_at(draw, 0.3)


def planted_large(draw: Draw) -> None:
    """A share of 0.6."""
    planted_at(draw, 0.6)


def planted(draw: Draw) -> None:
    """One shared cause per run, over axes, configurations and noise."""
    cause = draw.effect()
    draw.table["target"] = draw.axes() + 0.5 * draw.effect(*AXES) + cause
    for i in range(PREDICTORS):
        draw.table[f"p{i}"] = 0.5 * draw.axes() + cause + draw.effect()
    draw.true = {f"p{i}" for i in range(PREDICTORS)}


def one_planted(draw: Draw) -> None:
    """One such predictor among noise."""
    planted(draw)
    draw.true = {"p0"}
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
    draw.true = {f"p{i}" for i in range(PREDICTORS)}


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
    correlated_axes,
    few_seeds,
    many_seeds,
    forty_predictors,
    nonlinear_functions_of_axes,
    simpson,
]
PLANTED: list[Callable[[Draw], None]] = [
    planted,
    one_planted,
    planted_with_luck,
    weakly_planted,
    planted_and_ragged,
    planted_small,
    planted_medium,
    planted_large,
    simpson_reversed,
]


def rates(scenario: Callable[[Draw], None], tables: int, permutations: int | None, seed: int) -> dict[str, float]:
    """Shares over many tables of one scenario."""
    claimed, false, adds, undecided, gains, withins = [], [], [], [], [], []
    for number in range(tables):
        draw = Draw(np.random.default_rng([seed, number]))
        scenario(draw)
        verdicts = judge(
            draw.table, "target", list(AXES), permutations=permutations, resamples=20, random_seed=number
        ).table
        added = verdicts["decision"] == "adds"
        wrong = added & ~verdicts.index.isin(draw.true)
        claimed.append(wrong.any())
        false.append(wrong.sum() / max(1, added.sum()))
        adds.append(added[verdicts.index.isin(draw.true)].mean() if draw.true else added.mean())
        undecided.append((verdicts["decision"] == "undecided").mean())
        gains.append((verdicts["gain_p"] <= 0.05).mean())
        withins.append((verdicts["within_p"] <= 0.05).mean())
    any_claim = float(np.mean(claimed))
    return {
        "any false": any_claim,
        "(SE)": float(np.sqrt(any_claim * (1 - any_claim) / tables)),
        "FDR": float(np.mean(false)),
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
    drawn = (
        f"{PERMUTATION_STAGES[0]:,} to {PERMUTATION_STAGES[-1]:,}, as judge needs"
        if options.permutations is None
        else options.permutations
    )
    print(f"{options.tables} tables per scenario; permutations of each null: {drawn}")
    print(
        "any false (SE): share of tables with a predictor said to add that does not; FDR: of those said to, on average;"
    )
    print("gain, within: share of p <= 0.05; adds: of those that do (or of all, if none does); undecided: of all.")
    columns = ("any false", "(SE)", "FDR", "gain", "within", "adds", "undecided", "seconds")
    print("\n" + " " * 30 + "".join(f"{column:>10}" for column in columns))
    for title, group in (("nothing to find", NULLS), ("something to find", PLANTED)):
        print(title)
        for scenario in (scenario for scenario in group if scenario.__name__ in options.scenarios):
            start = time.perf_counter()
            result = rates(scenario, options.tables, options.permutations, options.seed)
            figures = "".join(f"{value:10.3f}" for value in result.values())
            print(f"  {scenario.__name__:<28}{figures}{time.perf_counter() - start:10.0f}", flush=True)


if __name__ == "__main__":
    main()
