"""Error rates and power from the verdicts of many simulated tables."""

from typing import NamedTuple

import numpy as np
import pandas as pd

LEVEL = 0.05


class ClaimRates(NamedTuple):
    """Rates of one claim.

    Attributes:
        any_false: share of tables with at least one false claim.
        any_false_error: its standard error.
        false_discovery: mean share of false claims among the claims of a table.
        false_discovery_error: its standard error.
        small_p: share of p-values at or under the level where the claim is false; NaN if it is nowhere.
        found: share of the true claims that are made; NaN if there is none.
    """

    any_false: float
    any_false_error: float
    false_discovery: float
    false_discovery_error: float
    small_p: float
    found: float

    @property
    def too_many(self) -> bool:
        """True if the false discovery rate exceeds the level by more than two standard errors."""
        return self.false_discovery - 2 * self.false_discovery_error > LEVEL


def claims_made(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return what was claimed and what is true: boolean columns beyond, transfers and adds, of each predictor."""
    decision = verdicts["decision"]
    pair_only = (decision == "adds beyond") & (verdicts["transfers_q"] <= LEVEL) & (verdicts["gain_r2"] > 0)
    return pd.DataFrame(
        {
            "beyond": decision.isin(["adds", "adds beyond"]),
            "transfers": decision.isin(["adds", "adds in transfer"]) | pair_only,
            "adds": decision == "adds",
        }
    )


def truths(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return which claims are true, in the same columns."""
    beyond = verdicts["is_beyond"].astype(bool)
    transfers = verdicts["is_transfer"].astype(bool)
    return pd.DataFrame({"beyond": beyond, "transfers": transfers, "adds": beyond & transfers})


def p_values(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return the p-value of each claim, in the same columns; those of the first edition have other names."""
    beyond = verdicts["beyond_p"].fillna(verdicts["within_p"])
    transfers = verdicts["transfers_p"].fillna(verdicts["gain_p"])
    return pd.DataFrame({"beyond": beyond, "transfers": transfers, "adds": np.maximum(beyond, transfers)})


def claim_rates(verdicts: pd.DataFrame, claim: str) -> ClaimRates:
    """Return the rates of one claim: beyond, transfers or adds."""
    claimed = claims_made(verdicts)[claim]
    true = truths(verdicts)[claim]
    p = p_values(verdicts)[claim]
    false = claimed & ~true
    number = verdicts["table"]
    false_of_table = false.groupby(number).sum()
    claimed_of_table = claimed.groupby(number).sum()
    share = false_of_table / claimed_of_table.clip(lower=1)
    any_false = float((false_of_table > 0).mean())
    tested = ~true & p.notna()
    return ClaimRates(
        any_false,
        float(np.sqrt(any_false * (1 - any_false) / len(share))),
        float(share.mean()),
        float(share.std(ddof=0) / np.sqrt(len(share))),
        float((p[tested] <= LEVEL).mean()) if tested.any() else np.nan,
        float(claimed[true].mean()) if true.any() else np.nan,
    )


def any_false_claim(verdicts: pd.DataFrame) -> float:
    """Return the share of tables with a false claim of either kind."""
    false = claims_made(verdicts) & ~truths(verdicts)
    either = false["beyond"] | false["transfers"]
    return float(either.groupby(verdicts["table"]).any().mean())
