"""Page of two sweeps side by side."""

from collections.abc import Sequence

from markupsafe import Markup

from benevolent.analysis.formatting import MISSING, in_words, interval, number
from benevolent.analysis.html import template
from benevolent.analysis.judging.comparison import MEANINGS, VerdictComparison
from benevolent.analysis.judging.verdict import Verdict
from benevolent.analysis.judging.verdicts import Verdicts
from benevolent.analysis.report.page import page_script, script_hash
from benevolent.analysis.report.sortable_table import SortableTable


def comparison_page(names: Sequence[str], comparisons: Sequence[VerdictComparison], command: str) -> str:
    """Return two sweeps side by side as one HTML document that loads nothing.

    Args:
        names: of the first and the second sweep.
        comparisons: one for each outcome that both judged.
        command: makes the page again.
    """
    script = page_script(("filter.js", "sort.js"))
    parts = []
    for comparison in comparisons:
        facts = [(name, sweep_facts(one)) for name, one in zip(names, _both(comparison), strict=True)]
        parts.append((comparison, facts, comparison_table(names, comparison)))
    return template("comparison.html.j2").render(
        names=names,
        parts=parts,
        meanings=MEANINGS,
        command=command,
        script=Markup(script),
        script_hash=script_hash(script),
    )


def _both(comparison: VerdictComparison) -> tuple[Verdicts, Verdicts]:
    return comparison.first, comparison.second


def sweep_facts(verdicts: Verdicts) -> str:
    """Return the numbers that a verdict of a sweep rests on, in words."""
    scope = verdicts.scopes[0]
    facts = [
        verdicts.population,
        f"axes {', '.join(verdicts.axes)}",
        f"R² of the hyperparameters alone {number(verdicts.baseline.baseline_r2)}",
        f"{len(scope.predictors)} predictors",
    ]
    if verdicts.detectable:
        facts.append(verdicts.detectable)
    return "; ".join(facts)


def comparison_table(names: Sequence[str], comparison: VerdictComparison) -> SortableTable:
    """Return the verdicts of both sweeps on every predictor."""
    headings = ["predictor", "agreement"]
    for name in names:
        headings += [f"{name}: ρ", f"{name}: ΔR²", f"{name}: decision"]
    rows = []
    for row in comparison.rows:
        rows.append([row.predictor, row.agreement, *_cells(row.first), *_cells(row.second)])
    return SortableTable(
        caption=f"Verdicts on {in_words(comparison.target)}. ρ: rank correlation among runs that share every "
        "hyperparameter, with its interval; ΔR²: gain over the hyperparameters alone in configurations not seen",
        headings=headings,
        rows=rows,
        names=2,
    )


def _cells(verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return [MISSING, MISSING, MISSING]
    within = f"{number(verdict.within, signed=True)} {interval(verdict.within_low, verdict.within_high)}"
    gain = number(verdict.gain_r2, 3, signed=True)
    return [within.strip(), gain, verdict.label]
