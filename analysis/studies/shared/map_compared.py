"""A claim of the map of measures that a mean over papers is above 0."""

import numpy as np

from benevolent.analysis.multi_run.pooled_effects import FEWEST_STUDIES
from benevolent.analysis.statistics.replicate_taus import column_means
from benevolent.analysis.studies.shared.findings import Finding, Kind, decide
from benevolent.analysis.studies.shared.seed_means import minus_signs


def compared(claim: str, values: np.ndarray, what: str, paper: str = "", kind: Kind = "paper") -> Finding:
    """Decide if the mean over papers is above 0, by Student's interval.

    Args:
        claim: the claim.
        values: one for each paper; missing ones are left out.
        what: the mean says, for the evidence.
        paper: the source's words.
        kind: of the claim.
    """
    means = column_means(values[:, None])
    mean, low, high = (float(numbers[0]) for numbers in means[:3])
    papers = int(np.isfinite(values).sum())
    text = f"{what} {mean:+.2f} [{low:+.2f}, {high:+.2f}; {papers} papers]"
    enough = papers >= FEWEST_STUDIES
    return Finding(
        claim,
        decide(low > 0 if enough else None),
        minus_signs(text) if enough else f"{papers} papers",
        paper,
        explanation="what predicts for one paper does not for another",
        kind=kind,
    )
