"""Claims about normalized losses, with the parts of rules that decide them, for the studies of Liao et al. 2018."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.statistics import LinearFit
from benevolent.analysis.studies.shared.findings import RULE_CHANGED, Finding, StudyClaim
from benevolent.analysis.studies.shared.normalized_loss import DEALS, line_r2, loss_line, partial_rank_correlation
from benevolent.analysis.studies.shared.seed_means import mean_over_seeds, minus_signs, rank_correlation, show_interval

#: Smallest R2 of a line through normalized losses.
LINE_R2 = 0.99
#: Allowed range of its slope.
SLOPES = (0.8, 1.2)
#: Largest R2 of the losses as trained.
PLAIN_R2 = 0.6
#: Partial rank correlation from which a loss is more than the norm.
BEYOND_NORM = 0.3
#: Fraction of deals whose R2 falls below that with the networks' own norms.
DEALS_BELOW = 0.975

SLOPE_RANGE = f"[{SLOPES[0]}, {SLOPES[1]}]"
LINE_RULE = f"""R2 of normalized test loss on normalized train loss is at least {LINE_R2} with a slope in
{SLOPE_RANGE}, and R2 of the losses as trained is at most {PLAIN_R2}"""
OWN_NORM_RULE = f"""with the norms dealt out among the networks at random ({DEALS} times; train and test loss of a
network still share one), R2 falls below that with their own norms in {DEALS_BELOW:.1%} of deals, and below {LINE_R2} in
half of them; otherwise the line is mechanical; undecided if R2 is below {LINE_R2} with their own norms"""
BEYOND_NORM_RULE = f"""given the rank of the norm, the partial rank correlation of normalized train loss and test error
is at least {BEYOND_NORM}, and the lower end of its 95% interval above 0 (it is 0 in a seed whose networks both rank
alike)"""
INTERVAL_RULE = "Rank correlations are means over seeds of those among a seed's networks, with Student's 95% interval"
#: Note of the studies that ask for each network's own norm.
OWN_NORM_CHANGED = (
    f"{RULE_CHANGED}: that a line needs each network's own norm is undecided if there is no line; before, it held for "
    "two that were no lines, and did not hold for a third."
)
LINE = StudyClaim("test loss is linear in train loss once both are normalized")
BEYOND = StudyClaim(
    "the normalized train loss says more about the test error than the norm alone",
    explanation="for outputs this small the loss is a function of the norm, and of a margin that all networks share",
    kind="ours",
)
OWN_NORM = StudyClaim(
    "the line needs each network's own norm",
    explanation="the line is mechanical: any norm that train and test loss share moves both alike, and further than "
    "the networks differ",
    kind="ours",
)


def describe_line(fit: LinearFit) -> str:
    """Return a line's slope with its interval, its intercept, and how well it fits, as text."""
    low, high = fit.slope_interval
    line = f"slope {fit.slope:.3f} [{low:.3f}, {high:.3f}], intercept {fit.intercept:.3f}"
    quality = f"R² {fit.r2:.4f}, adjusted {fit.adjusted_r2:.4f}, RMSE {fit.rmse:.2g} nats"
    return minus_signs(f"{line}, {quality}")


def is_unit_line(fit: LinearFit) -> bool:
    """Return whether a line fits as well as `LINE_R2` asks, with a slope in `SLOPES`."""
    return fit.r2 >= LINE_R2 and SLOPES[0] <= fit.slope <= SLOPES[1]


def line_finding(where: str, table: pd.DataFrame, paper: str = "") -> Finding:
    """Decide `LINE_RULE`."""
    fit = loss_line(table)
    plain = loss_line(table, normalized=False)
    evidence = f"{describe_line(fit)}; as trained R² {plain.r2:.2f} ({fit.n} networks)"
    claim = LINE.about(where)._replace(paper=paper, explanation=_why_no_line(fit, plain))
    return claim.decide(is_unit_line(fit) and plain.r2 <= PLAIN_R2, evidence)


def _why_no_line(fit: LinearFit, plain: LinearFit) -> str:
    if fit.r2 < LINE_R2:
        return "networks with one normalized train loss keep more or less of their training lead on test examples"
    if plain.r2 > PLAIN_R2:
        return "whatever distinguishes the networks moves train and test loss alike, even as trained"
    return (
        "for such small outputs the loss is linear in the lead of the true class, so that the slope is the ratio of "
        "its means over test and training examples: below 1 where networks are wrong on many test examples"
    )


def order_finding(claim: StudyClaim, table: pd.DataFrame, x: str, y: str, least: float, sign: int = 1) -> Finding:
    """Decide whether the mean rank correlation among a seed's networks is large enough, with an interval off 0.

    Args:
        claim: the claim.
        table: one row per network.
        x: a column.
        y: another column.
        least: smallest value of Spearman's correlation times `sign`.
        sign: +1, or -1 if the correlation should be negative.
    """
    rank = rank_correlation(table, x, y)
    is_large = sign * rank.value >= least
    is_off_zero = sign * rank.low > 0 and sign * rank.high > 0
    return claim.decide(is_large and is_off_zero, f"Spearman {show_interval(rank)}, {len(table)} networks")


def beyond_norm_finding(where: str, table: pd.DataFrame, norm: str) -> Finding:
    """Decide `BEYOND_NORM_RULE`.

    Args:
        where: beginning of the claim.
        table: one row per network.
        norm: column of the norm by which outputs were divided.
    """

    def partial_in_seed(rows: pd.DataFrame) -> float:
        return partial_rank_correlation(rows, "normalized_train_loss", "test_error", norm)

    partial = mean_over_seeds(table, partial_in_seed, (-1, 1))
    has_same_ranks = partial.low == partial.high == 0
    found = "it ranks the networks as the norm does" if has_same_ranks else f"partial Spearman {show_interval(partial)}"
    alone = rank_correlation(table, norm, "test_error")
    evidence = f"{found}; Spearman of the norm alone with test error {show_interval(alone)}"
    return BEYOND.about(where).decide(partial.value >= BEYOND_NORM and partial.low > 0, evidence)


def own_norm_finding(
    where: str,
    table: pd.DataFrame,
    deals: Sequence[pd.DataFrame],
    claim: StudyClaim = OWN_NORM,
    straightness: Callable[[pd.DataFrame], float] = line_r2,
) -> Finding:
    """Decide `OWN_NORM_RULE`.

    Args:
        where: beginning of the claim, such as a data set.
        table: one row per network, with its normalized losses.
        deals: normalized losses with dealt norms, from `deal_norms`.
        claim: the rest of it.
        straightness: function of normalized losses; R2 of their line by default.
    """
    own = straightness(table)
    dealt = np.array([straightness(losses) for losses in deals])
    median = float(np.median(dealt))
    low, high = np.quantile(dealt, [0.025, 0.975])
    factor = (1 - median) / max(1 - own, 1e-12)
    of_others = f"with the norms of other networks {median:.5f} [{low:.5f}, {high:.5f}]"
    evidence = f"R² {own:.5f}; {of_others}, where 1 − R² is {factor:.1f} times as large"
    is_line = own >= LINE_R2
    if not is_line:
        return claim.about(where).decide(None, evidence, "there is no line")
    needs_own_norm = bool((dealt < own).mean() >= DEALS_BELOW) and median < LINE_R2
    return claim.about(where).decide(needs_own_norm, evidence)
