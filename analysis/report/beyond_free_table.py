"""Table and sentences on both claims beyond what is free, for the page."""

import math
from collections.abc import Sequence

from benevolent.analysis.formatting import interval, number
from benevolent.analysis.judging.verdict import Verdict
from benevolent.analysis.judging.verdicts import Verdicts
from benevolent.analysis.report.sortable_table import SortableTable

MOST_NAMED = 5


def free_sentences(verdicts: Verdicts) -> list[str]:
    """Return how many associations are left once the free columns are taken out, in words."""
    judged = [verdict for verdict in verdicts if verdict.free]
    if not judged:
        return ["The table has no column that is known for free (train_loss, validation_loss, step)."]
    if all(math.isnan(verdict.within_low) for verdict in judged):
        return ["There are too few lineages for intervals, so none is compared."]
    before = [verdict for verdict in judged if _excludes_zero(verdict.within_low, verdict.within_high)]
    left = [verdict for verdict in before if _remains(verdict)]
    names = f": {', '.join(verdict.predictor for verdict in left[:MOST_NAMED])}" if left else ""
    more = ", ..." if len(left) > MOST_NAMED else ""
    free = judged[0].free.replace("_", " ")
    return [
        f"What training shows anyway: {free}. Within configurations the interval of {_number_of(before)} of "
        f"{len(judged)} predictors excludes 0, not adjusted for their number; with these columns taken out, that of "
        f"{_number_of(left)} of them still does, on the same side{names}{more}."
    ]


def _number_of(verdicts: Sequence[Verdict]) -> str:
    return str(len(verdicts)) if verdicts else "none"


def _remains(verdict: Verdict) -> bool:
    """Tell if the interval beyond the free columns excludes 0, on the side of the association itself."""
    same_side = verdict.within_beyond_free * verdict.within > 0
    return same_side and _excludes_zero(verdict.within_beyond_free_low, verdict.within_beyond_free_high)


def _excludes_zero(low: float, high: float) -> bool:
    return low > 0 or high < 0


def free_table(verdicts: Verdicts) -> SortableTable | None:
    """Return both claims about each predictor, with and without the free columns."""
    rows = []
    for verdict in verdicts.in_reading_order():
        if not verdict.free:
            continue
        left = _estimate(verdict.within_beyond_free, verdict.within_beyond_free_low, verdict.within_beyond_free_high, 2)
        gain = _estimate(verdict.gain_beyond_free, verdict.gain_beyond_free_low, verdict.gain_beyond_free_high, 3)
        within = number(verdict.within, signed=True)
        rows.append([verdict.predictor, within, left, number(verdict.gain_r2, 3, signed=True), gain])
    if not rows:
        return None
    return SortableTable(
        caption="Both claims, and again with the free columns taken out of predictor and outcome: partial correlation "
        "of aligned ranks within configurations, and gain in cross-validated R² over axes and free columns",
        headings=["predictor", "ρ", "ρ beyond what is free", "ΔR²", "ΔR² beyond what is free"],
        rows=rows,
    )


def _estimate(value: float, low: float, high: float, digits: int) -> str:
    return f"{number(value, digits, signed=True)} {interval(low, high, digits)}".strip()
