"""Tables and sentences on selection, fragility and redundancy, for the page."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from benevolent.analysis.formatting import in_words, interval, number, probability, quantity
from benevolent.analysis.report.beyond_free_table import free_sentences, free_table
from benevolent.analysis.report.descriptions import Descriptions
from benevolent.analysis.report.redundancy_table import redundancy_sentences, redundancy_table
from benevolent.analysis.report.sortable_table import SortableTable
from benevolent.analysis.statistics.selection_loss import BEST_ONE, BEST_TENTH, OTHER_DATA, REFERENCE

MOST_REVERSALS = 3


class DescriptionSection(NamedTuple):
    """A section of the page: a heading, sentences, and a table or none."""

    heading: str
    sentences: Sequence[str]
    table: SortableTable | None


_DIRECTIONS = {1: "smallest", -1: "largest", 0: "none"}


def described_sections(about: Descriptions) -> list[DescriptionSection]:
    """Return the sections on what is free, selection, fragility and redundancy."""
    verdicts = about.verdicts
    free = DescriptionSection("Beyond what is free", free_sentences(verdicts), free_table(verdicts))
    chosen = DescriptionSection("Networks chosen by a predictor", selection_sentences(about), selection_table(about))
    fragile = DescriptionSection("Where the association holds", [fragility_sentence(about)], fragility_table(about))
    same = DescriptionSection("Predictors that say the same", redundancy_sentences(about), redundancy_table(about))
    return [free, chosen, fragile, same]


def selection_sentences(about: Descriptions) -> list[str]:
    """Return what a choice of networks by a predictor loses, in words."""
    rows = about.selection[about.selection["choice"] == BEST_TENTH]
    target = in_words(about.target)
    sentences = []
    for (data, source), part in rows.groupby(["data", "direction_from"], sort=False):
        if source == OTHER_DATA:
            sentences.append(_worse_than_random(str(data), part))
            continue
        place = f" on {data}" if data else ""
        random = part.iloc[0]["lost_to_best"] - part.iloc[0]["lost_to_random"]
        text = f"Chosen at random{place}, networks lose {number(random, 3)} of {target} against the best tenth"
        sentences.append(f"{text}{_against_reference(part)}.")
    return sentences


def _worse_than_random(data: str, rows: pd.DataFrame) -> str:
    """Return how many predictors mislead on a data set if their direction comes from the others."""
    worse = rows[rows["random_low"] > 0]
    names = f": {', '.join(worse['predictor'].head(MOST_REVERSALS))}" if len(worse) else ""
    more = ", ..." if len(worse) > MOST_REVERSALS else ""
    who = f"{len(worse) or 'none'} of {quantity(len(rows), 'predictor')}"
    verb = "choose" if len(worse) > 1 else "chooses"
    return f"With the direction from {OTHER_DATA}, {who} {verb} worse than at random on {data}{names}{more}."


def _against_reference(rows: pd.DataFrame) -> str:
    """Return what the reference loses, and how many predictors choose better; empty without the reference."""
    reference = rows[rows["predictor"] == REFERENCE]
    others = rows[rows["predictor"] != REFERENCE]
    if reference.empty:
        return ""
    lost = _loss(reference.iloc[0], "best")
    text = f"; the tenth with the smallest {in_words(REFERENCE)} loses {lost}"
    if others["reference_high"].isna().all():
        return f"{text}. There are too few lineages for intervals" if len(others) else text
    better = int((others["reference_high"] < 0).sum())
    verb = "choose" if better > 1 else "chooses"
    return (
        f"{text}. {better or 'None'} of the {len(others)} others {verb} better than {in_words(REFERENCE)}, "
        "by intervals that are not adjusted for their number"
    )


def selection_table(about: Descriptions) -> SortableTable | None:
    """Return the losses of all predictors; those of the best tenth against the best sort the rows."""
    if about.selection.empty:
        return None
    keys = ["data", "direction_from", "predictor"]
    tenth = about.selection[about.selection["choice"] == BEST_TENTH].set_index(keys)
    one = about.selection[about.selection["choice"] == BEST_ONE].set_index(keys)
    several = bool((about.selection["data"] != "").any())
    rows = []
    for key, row in tenth.sort_values("lost_to_best", kind="stable").iterrows():
        data, source, predictor = key
        best = one.loc[key]
        cells = [predictor, *([data, source] if several else [])]
        cells += [_DIRECTIONS[int(row["direction"])], _loss(row, "best"), _loss(row, "reference"), _loss(row, "random")]
        cells += [number(row["recovered"]), _loss(best, "best")]
        rows.append(cells)
    target = in_words(about.target)
    return SortableTable(
        caption=f"{target.capitalize()} lost if the best tenth of the networks is chosen by a predictor; the last "
        "column: if only the best one is. The smallest or the largest values are chosen by the sign of the correlation "
        "over these runs, unless said otherwise; recovered: 0 at random, 1 at best. Intervals resample whole lineages",
        headings=[
            "predictor",
            *(["data", "direction from"] if several else []),
            "chosen",
            "against the best",
            "against validation loss",
            "against random",
            "recovered",
            "best one, against the best",
        ],
        rows=rows,
        sorted_by=4 if several else 2,
    )


def _loss(row: "pd.Series", rival: str) -> str:
    """Return a loss with its interval."""
    value = number(row[f"lost_to_{rival}"], 3, signed=rival != "best")
    ends = interval(row[f"{rival}_low"], row[f"{rival}_high"], 3)
    return f"{value} {ends}".strip()


def fragility_sentence(about: Descriptions) -> str:
    """Return whether the sign of an association changes along an axis, in words."""
    rows = about.fragility
    tested = rows[rows["reversal_p"].notna()].drop_duplicates(["predictor", "axis"])
    if tested.empty:
        return "No sign could be tested: it takes eight runs of different seeds for each of two values of an axis."
    reversing = tested[tested["reverses"]].sort_values("reversal_p", kind="stable")
    scope = f"{len(tested):,} pairs of predictor and axis"
    if reversing.empty:
        return (
            f"In none of {scope} is it shown that the association with {in_words(about.target)} has one sign for some "
            "values and the other for others."
        )
    examples = [_example(rows, row.predictor, row.axis) for row in reversing.head(MOST_REVERSALS).itertuples()]
    return (
        f"In {len(reversing)} of {scope} the association with {in_words(about.target)} changes its sign: "
        f"{'; '.join(examples)}{' ...' if len(reversing) > MOST_REVERSALS else '.'}"
    )


def _example(rows: pd.DataFrame, predictor: str, axis: str) -> str:
    """Return the largest and the smallest association of a predictor along an axis."""
    part = rows[(rows["predictor"] == predictor) & (rows["axis"] == axis) & rows["low"].notna()]
    ends = part.loc[[part["association"].idxmax(), part["association"].idxmin()]]
    texts = [f"{number(row.association, signed=True)} at {row.value}" for row in ends.itertuples()]
    return f"{predictor} along {axis} ({' and '.join(texts)})"


def fragility_table(about: Descriptions) -> SortableTable | None:
    """Return the association of each predictor for each value of each axis."""
    if about.fragility.empty:
        return None
    rows = []
    for row in about.fragility.itertuples():
        estimate = [number(row.association, signed=True), interval(row.low, row.high)]
        rows.append([row.predictor, row.axis, row.value, *estimate, str(row.runs), probability(row.reversal_q)])
    kind = about.fragility["kind"].iloc[0]
    return SortableTable(
        caption=f"Rank correlation {kind} of each predictor with {in_words(about.target)}, among the runs with one "
        "value of one axis. q: of the test that the sign changes along the axis",
        headings=["predictor", "axis", "value", "ρ", "interval", "runs", "q of a change of sign"],
        rows=rows,
        names=3,
    )
