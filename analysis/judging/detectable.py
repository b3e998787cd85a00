"""Smallest effects that the judged runs could show."""

import math
from collections.abc import Sequence

from benevolent.analysis.judging.verdict import Verdict
from benevolent.analysis.statistics.detectable_effect import correlation_detected, detectable_gain


def detectable(verdicts: Sequence[Verdict], baseline_r2: float) -> tuple[float, float]:
    """Return the smallest correlation within configurations and the smallest gain that could be shown.

    Power is 80%, for the worst case of one true predictor among those that were tested. The degrees of freedom within
    configurations are those of the predictor with the most; configurations of one lineage count as unrelated.

    Args:
        verdicts: of the predictors, with their p-values.
        baseline_r2: R2 of the axes alone.

    Returns:
        Both; NaN where nothing was tested.
    """
    beyond = [verdict for verdict in verdicts if not math.isnan(verdict.beyond_p)]
    transfers = [verdict for verdict in verdicts if not math.isnan(verdict.transfers_p)]
    effect = gain = math.nan
    if beyond:
        freedom = max(verdict.within_freedom for verdict in beyond)
        effect = correlation_detected(freedom, len(beyond))
    if transfers and math.isfinite(baseline_r2):
        lineages = max(verdict.lineages for verdict in transfers)
        gain = detectable_gain(lineages, len(transfers), baseline_r2=baseline_r2)
    return effect, gain
