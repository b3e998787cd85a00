"""Findings on paths between networks that were trained apart."""

import numpy as np
import pandas as pd

from benevolent.analysis.statistics import spearman
from benevolent.analysis.statistics.nearest import nearest_in_ratio
from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_over_seeds, show_interval

#: Rise, as a fraction of the loss of chance, that does not count.
NEGLIGIBLE = 0.01
#: Networks far narrower than the theorem asks for, and the narrowest, as multiples of the number of examples n.
FAR_NARROWER = 1 / 4
NARROWEST = 1 / 10
#: Rounding of losses and outputs in float64.
ROUNDING = 1e-9


def _mean(table: pd.DataFrame, path: str, column: str) -> SeedMean:
    """Return the mean over pairs of a column on one path; over widths where there are several."""
    rows = table[table["path"] == path]
    return mean_over_seeds(rows, lambda pair: float(pair[column].mean()), (0, np.inf))


def _difference(table: pd.DataFrame, first: str, second: str) -> SeedMean:
    """Return the mean over pairs of the barrier on one path minus that on another."""

    def of_pair(rows: pd.DataFrame) -> float:
        means = rows.groupby("path")["barrier"].mean()
        return float(means[first] - means[second])

    return mean_over_seeds(table[table["path"].isin([first, second])], of_pair)


def _percent(estimate: SeedMean, unit: str = "pair") -> str:
    """Return a fraction of the loss of chance with its interval, in percent."""
    return show_interval(estimate, ".2%", unit)


def _widths(table: pd.DataFrame, column: str = "width") -> str:
    widths = sorted(table[column].unique())
    shown = ", ".join(str(width) for width in widths)
    return f"{shown} units"


def valleys(few: pd.DataFrame, runs: pd.DataFrame, examples: int, reached: float) -> list[Finding]:
    """Return the findings on what the theorems say.

    Args:
        few: heights of paths, on few examples.
        runs: the networks that the paths join, one row each.
        examples: number of training examples n.
        reached: train loss at which training stops.
    """
    wide = few[few["width"] >= 2 * examples]
    rise = _mean(wide, "curve", "excess")
    is_wide = runs["model.width"] > examples
    down = runs["train_loss"] <= reached
    wide_down = int(down[is_wide].sum())
    others_down = int(down[~is_wide].sum())
    wide_count = int(is_wide.sum())
    others = f"of others, {others_down} of {len(runs) - wide_count}"
    shown = f"{wide_down} of {wide_count} of {_widths(runs[is_wide], 'model.width')} reach a train loss of {reached:g}"
    return [
        Finding(
            "Networks with twice as many units as examples lie in one valley",
            decide(rise.high < NEGLIGIBLE),
            f"{examples} examples, {_widths(wide)}: rise of the curve {_percent(rise)} of chance",
            "every sublevel set is connected, from 2 n units on",
        ),
        Finding(
            "Networks with more units than examples meet no bad valley",
            decide(wide_down == wide_count if wide_count else None),
            f"{examples} examples: {shown}; {others}",
            "no bad local valleys, with more than n units",
        ),
    ]


def straight_lines(many: pd.DataFrame) -> list[Finding]:
    """Return the findings on straight lines and curves where examples are many; their sources are other papers."""
    widest = many[many["width"] == many["width"].max()]
    place = _widths(widest)
    straight = _mean(widest, "straight", "barrier")
    lowered = _difference(widest, "matched", "straight")
    matched = _mean(widest, "matched", "barrier")
    curve = _mean(widest, "curve", "barrier")
    trend = mean_over_seeds(
        many[many["path"] == "matched"], lambda pair: spearman(pair["width"], pair["barrier"]), (-1, 1)
    )
    findings = [
        Finding(
            "A barrier separates networks that were trained apart",
            decide(straight.low > NEGLIGIBLE),
            f"{place}: {_percent(straight)} of chance",
            "other papers, Frankle et al. 2020 and Entezari et al. 2022: there is one",
        ),
        Finding(
            "Matching the units lowers the barrier between networks that were trained apart",
            decide(lowered.high < 0),
            f"{place}: matched minus straight {_percent(lowered)} of chance",
            "another paper, Ainsworth et al. 2023: it does",
        ),
        Finding(
            "The wider matched networks are, the lower the barrier between them",
            decide(trend.high < 0),
            f"Spearman's correlation with the width {show_interval(trend, unit='pair')}",
            "other papers, Ainsworth et al. 2023 and Entezari et al. 2022: lower if wider",
            explanation="networks that cannot learn their examples have no barrier either",
        ),
        Finding(
            "Wide matched networks have no barrier",
            decide(matched.high < NEGLIGIBLE),
            f"{place}: {_percent(matched)} of chance",
            "another paper, Ainsworth et al. 2023: none for a perceptron on MNIST",
            explanation="wide enough may be wider than this",
        ),
        Finding(
            "A fitted curve joins networks that were trained apart without a barrier",
            decide(curve.high < NEGLIGIBLE),
            f"{place}: {_percent(curve)} of chance",
            "another paper, Garipov et al. 2018: curves without a barrier",
        ),
    ]
    return [finding._replace(kind="ours") for finding in findings]


def narrow_and_rescaled(few: pd.DataFrame, many: pd.DataFrame, examples: int) -> list[Finding]:
    """Return the findings on controls and stricter forms."""
    available = sorted(few["width"].unique())
    nearest = int(nearest_in_ratio(available, FAR_NARROWER * examples))
    narrower = _mean(few[few["width"] == nearest], "curve", "excess")
    narrowest = few[few["width"] < NARROWEST * examples]
    rise = _mean(narrowest, "curve", "excess")
    run = _mean(many, "run", "barrier")
    widest = many[many["width"] == many["width"].max()]
    norms = _difference(widest, "matched", "rescaled")
    rescaled = _mean(widest, "rescaled", "barrier")
    findings = [
        Finding(
            "Networks with far fewer units than examples lie in one valley, too",
            decide(narrower.high < NEGLIGIBLE),
            f"{examples} examples, {nearest} units: rise of the curve {_percent(narrower)} of chance",
        ),
        Finding(
            "The narrowest networks do not lie in one valley",
            decide(rise.low > NEGLIGIBLE),
            f"{examples} examples, {_widths(narrowest)}: rise of the curve {_percent(rise)} of chance",
            explanation="a curve with one bend may be found where networks were found that are not the best",
        ),
        Finding(
            "No barrier separates a network from its own first epoch",
            decide(run.high < NEGLIGIBLE),
            f"over all widths: {_percent(run, 'run')} of chance",
        ),
        Finding(
            "Matching does more than undo the shrinking of averaged weights",
            decide(norms.high < 0),
            f"{_widths(widest)}: matched minus rescaled {_percent(norms)} of chance; rescaled {_percent(rescaled)}",
            explanation="the average of two networks has smaller weights, and that alone makes its loss higher",
        ),
    ]
    return [finding._replace(kind="ours") for finding in findings]


def path_checks(few: pd.DataFrame, examples: int, change: float) -> list[Finding]:
    """Return the checks: of the path of the proof, and of permuted networks, whose outputs change by `change`."""
    wide = few[(few["width"] >= 2 * examples) & (few["path"] == "proof")]
    highest = wide["excess"].max()
    return [
        Finding(
            "The path of the proof never exceeds the worse network's loss",
            decide(highest < ROUNDING if len(wide) else None),
            f"largest rise {highest:.1g} of chance, {len(wide)} pairs",
            kind="check",
        ),
        Finding(
            "A network with its units in another order computes the same function",
            decide(change < ROUNDING),
            f"largest relative change of an output {change:.1g}",
            kind="check",
        ),
    ]
