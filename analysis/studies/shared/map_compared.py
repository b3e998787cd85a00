"""A claim of the map of measures that a mean over papers is above 0."""

import numpy as np

from benevolent.analysis.multi_run.pooled_effects import FEWEST_STUDIES
from benevolent.analysis.statistics.replicate_taus import column_means
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.seed_means import minus_signs

#: Possible explanation of every claim that a mean over papers is above 0.
DEPENDS_ON_PAPER = "what predicts for one paper does not for another"


def compared(claim: StudyClaim, values: np.ndarray, what: str) -> Finding:
    """Decide if the mean over papers is above 0, by Student's interval.

    Args:
        claim: the claim.
        values: one for each paper; missing ones are left out.
        what: name of the mean in the evidence.
    """
    papers = int(np.isfinite(values).sum())
    if papers < FEWEST_STUDIES:
        return claim.decide(None, f"{papers} papers")
    means = column_means(values[:, None])
    mean, low, high = (float(numbers[0]) for numbers in means[:3])
    evidence = minus_signs(f"{what} {mean:+.2f} [{low:+.2f}, {high:+.2f}; {papers} papers]")
    return claim.decide(low > 0, evidence)
