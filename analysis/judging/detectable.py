"""Smallest effects that the judged runs could show."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from benevolent.analysis.detectable_effect import detectable_effect, detectable_gain
from benevolent.analysis.judging.verdict import Verdict


class Detectable(NamedTuple):
    """Smallest effects that some runs could show; NaN where nothing was tested.

    Attributes:
        effect: correlation within configurations, if configurations that share seeds share no luck.
        related_effect: the same, if they share all of it.
        gain: gain in R2 in lineages held out.
    """

    effect: float = math.nan
    related_effect: float = math.nan
    gain: float = math.nan


def detectable(verdicts: Sequence[Verdict], baseline_r2: float) -> Detectable:
    """Return the smallest effects that could be shown with 80% power.

    This is the worst case of one true predictor among those that were tested, and it has the most runs of them. Where
    lineages share their seeds, all configurations are one lineage, and no gain is stated: luck could pass for one. Its
    size is the number of configurations that would have the degrees of freedom that remain.

    Args:
        verdicts: of the predictors, with their p-values.
        baseline_r2: R2 of the axes alone.
    """
    beyond = [verdict for verdict in verdicts if not math.isnan(verdict.beyond_p)]
    transfers = [verdict for verdict in verdicts if not math.isnan(verdict.transfers_p)]
    effect = related_effect = gain = math.nan
    if beyond:
        design = max(beyond, key=lambda verdict: verdict.within_freedom)
        lineages = 1 if design.shared_seeds else design.lineages
        replicates = 1 + design.within_freedom / design.configurations
        if not math.isnan(design.within_seeds):
            replicates = design.within_seeds
        size = design.within_freedom / (replicates - 1) / lineages
        effect = detectable_effect(replicates, lineages, size, len(beyond), shared_luck=0)
        related_effect = detectable_effect(replicates, lineages, size, len(beyond), shared_luck=1)
    if transfers and math.isfinite(baseline_r2) and not transfers[0].shared_seeds:
        lineages = max(verdict.lineages for verdict in transfers)
        gain = detectable_gain(lineages, len(transfers), baseline_r2=baseline_r2)
    return Detectable(effect, related_effect, gain)
