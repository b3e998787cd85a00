"""Result of a transport: predictors chosen on a first table, and what they do on a second."""

from dataclasses import dataclass

import pandas as pd

from benevolent.analysis.statistics.bootstrap import Comparison


@dataclass(frozen=True, eq=False)
class Transport:
    """Predictors chosen on a first table, and what they do on a second.

    Attributes:
        target: the outcome.
        chosen: the predictor with the largest |association| on the first table.
        table: one row per predictor, the strongest on the first table first, and the fit of all: `first` (association
            there), `second`, `low`, `high` (its interval), `p` (one-sided, in the direction of the first), `runs`,
            `same_sign`.
        kind: associations are within or across configurations.
        rival: predictor that the chosen one is compared with.
        comparison: |Kendall tau| of the chosen one and of the rival on the second table, and their difference; None if
            the second table lacks the rival, or if it is the chosen one.
        level: of the p-value.
    """

    target: str
    chosen: str
    table: pd.DataFrame
    kind: str
    rival: str
    comparison: Comparison | None
    level: float

    @property
    def confirmed(self) -> bool:
        """True if the chosen predictor is associated with the target on the second table as on the first."""
        return bool(self.table.loc[self.chosen, "p"] <= self.level)

    @property
    def beats_rival(self) -> bool:
        """True if the chosen predictor orders the second table better than the rival, beyond the interval."""
        return self.comparison is not None and self.comparison.difference.low > 0

    @property
    def sentence(self) -> str:
        """The result in words."""
        row = self.table.loc[self.chosen]
        verb = "holds" if self.confirmed else "is not shown"
        text = (
            f"{self.chosen}, chosen on the first table (association {self.kind} {row['first']:+.2f}), {verb} on the "
            f"second: {row['second']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}], one-sided p = {row['p']:.2g}"
        )
        if self.comparison is None:
            return f"{text}."
        difference = self.comparison.difference
        return (
            f"{text}; |tau| there {self.comparison.first:.2f} against {self.comparison.second:.2f} of {self.rival}, "
            f"difference {difference.value:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]."
        )

    def __repr__(self) -> str:
        return f"{self.sentence}\n{self.table.to_string(float_format='{:+.3f}'.format)}"
