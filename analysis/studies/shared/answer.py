"""What a study says: findings, each with its decision, and the figures and numbers behind them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benevolent.analysis.figures import AxisPalette, RenderedFigure
from benevolent.analysis.results import Results
from benevolent.analysis.statistics import spearman
from benevolent.analysis.statistics.bootstrap import Estimate

Decision = Literal["holds", "does not hold", "undecided"]


class Finding(NamedTuple):
    """One claim of the literature, and what these runs say of it.

    Attributes:
        claim: a sentence without its full stop, as the rule has it.
        decision: what the rule makes of `ours`.
        ours: the number or numbers that decide, with an interval where there is one.
        paper: the source's own numbers; empty where it gives none.
        because: in a few words, what decided.
        guess: why it does not hold, should it not; shown only then.
        check: it follows from mathematics, and fails only where the software, or an assumption, is wrong; such claims
            are counted apart.
    """

    claim: str
    decision: Decision
    ours: str
    paper: str = ""
    because: str = ""
    guess: str = ""
    check: bool = False

    @property
    def remarks(self) -> list[str]:
        """What is to be said besides.

        >>> Finding("a", "holds", "", guess="chance").remarks, Finding("a", "does not hold", "", guess="chance").remarks
        ([], ['a guess why: chance'])
        """
        guess = f"a guess why: {self.guess}" if self.guess and self.decision == "does not hold" else ""
        check = "a check: it follows from mathematics" if self.check else ""
        return [text for text in (check, self.because, guess) if text]


@dataclass(frozen=True)
class Answer:
    """What a study comes to.

    Attributes:
        findings: in reading order, the study's main claim first.
        plates: the figures; the first is the one like the paper's.
        numbers: the table behind the figures, one row per point.
        notes: what a reader should know besides, in sentences.
    """

    findings: Sequence[Finding]
    plates: Sequence[RenderedFigure]
    numbers: pd.DataFrame
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def headline(self) -> str:
        """How many claims hold, and of how many checks the expected came out.

        >>> findings = [Finding("a", "holds", ""), Finding("b", "undecided", ""), Finding("c", "holds", "", check=True)]
        >>> Answer(findings, [], pd.DataFrame()).headline
        '1 of 2 claims holds; 1 is undecided; and 1 of 1 check.'
        """
        claims, checks = ([one.decision for one in self.findings if one.check == kind] for kind in (False, True))
        failed, open_ = claims.count("does not hold"), claims.count("undecided")
        held = claims.count("holds")
        parts = [f"{held} of {len(claims)} claims {'holds' if held == 1 else 'hold'}"] if claims else []
        parts += [f"{failed} {'does' if failed == 1 else 'do'} not hold"] if failed else []
        parts += [f"{open_} {'is' if open_ == 1 else 'are'} undecided"] if open_ else []
        if checks:
            word = "check" if len(checks) == 1 else "checks"
            parts.append(f"{'and ' if parts else ''}{checks.count('holds')} of {len(checks)} {word}")
        return "; ".join(parts) + "."


#: How notes begin on what is no longer as it was when the first runs were looked at.
MENDED = "Mended after a verdict had been seen (small scale, seeds 200 on)"

#: Axes of sweeps, and some measures, as legends and labels name them.
IN_WORDS = {
    "init.std": "initial standard deviation",
    "init.scale": "factor of initial weights",
    "pretrain.label_corruption": "part swapped in pretraining",
    "data.label_corruption": "corrupted labels",
    "data.frequency": "frequency",
    "model.dropout": "dropout",
    "log_frobenius_product": "log of the product of norms",
    "inverse_margin_p10_frobenius": "inverse margin, Frobenius norms",
    "inverse_margin_p10_spectral": "inverse margin, spectral norms",
}


def encoding(axis: str, column: pd.Series) -> AxisPalette:
    """How the values of an axis are drawn; the legend names it in words."""
    return AxisPalette.of(IN_WORDS.get(axis, axis), column)


#: From the results of a study's sweeps, by their names, to its answer.
Analysis = Callable[[Mapping[str, Results]], Answer]


class OverSeeds(NamedTuple):
    """A mean over seeds with Student's 95% interval, and of how many; without two seeds it says nothing."""

    value: float
    low: float
    high: float
    seeds: int


def over_seeds(
    table: pd.DataFrame, statistic: Callable[[pd.DataFrame], float], within: tuple[float, float] = (-np.inf, np.inf)
) -> OverSeeds:
    """The mean over seeds of a statistic of each seed's networks: what varies by chance is the seed, the rest is set.

    Args:
        table: one row per network, with a column `seed`.
        statistic: of the rows of one seed; seeds where it is not finite are left out.
        within: the values that it can have, which the interval keeps to.

    >>> table = pd.DataFrame({"seed": [0, 0, 1, 1], "loss": [1.0, 3.0, 3.0, 5.0]})
    >>> [round(number, 2) for number in over_seeds(table, lambda rows: rows["loss"].mean())]
    [3.0, -9.71, 15.71, 2]
    """
    values = np.array([statistic(rows) for _, rows in table.groupby("seed")], dtype=float)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return OverSeeds(float(values.mean()) if len(values) else np.nan, *within, len(values))
    reach = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    low, high = np.clip([values.mean() - reach, values.mean() + reach], *within)
    return OverSeeds(float(values.mean()), float(low), float(high), len(values))


def rank_over_seeds(table: pd.DataFrame, x: str, y: str) -> OverSeeds:
    """Spearman's rank correlation of two columns among a seed's networks, over seeds."""
    return over_seeds(table, lambda rows: spearman(rows[x], rows[y]), (-1, 1))


def between(estimate: OverSeeds | Estimate, form: str = "+.2f") -> str:
    """An estimate with its interval, and of how many seeds or resamples that is.

    >>> between(OverSeeds(-0.5, -0.75, -0.25, 4))
    '−0.50 [−0.75, −0.25; 4 seeds]'
    """
    count, what = (estimate.seeds, "seed") if isinstance(estimate, OverSeeds) else (estimate.resamples, "resample")
    value, low, high = (format(number, form).replace("-", "−") for number in estimate[:3])
    return f"{value} [{low}, {high}; {count} {what}{'' if count == 1 else 's'}]"


def decided(holds: bool | None) -> Decision:
    """The decision of a rule that is met, not met, or (None) cannot be asked of these data.

    >>> decided(True), decided(False), decided(None)
    ('holds', 'does not hold', 'undecided')
    """
    return "undecided" if holds is None else "holds" if holds else "does not hold"
