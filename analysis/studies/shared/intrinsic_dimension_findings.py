"""Claims about networks in random subspaces, with the parts of the rule that decide them (Li et al. 2018)."""

from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.intrinsic_dimensions import (
    Bounds,
    Dimensions,
    bounds_of_mean,
    geometric_mean,
    ratio_of_dimensions,
    slope_in_parameters,
)
from benevolent.analysis.studies.shared.seed_means import SeedMean, show_interval

#: Largest fraction of all parameters that is few.
FEW = 0.02
#: Factor up to which dimensions are the same: that between the paper's 20 fully connected networks.
SAME = 1.33
#: Largest factor between fully connected networks of other sizes, in their means over seeds.
LARGEST_FACTOR = 2.0
#: Smallest factor between the numbers of parameters of those networks.
LEAST_PARAMETER_FACTOR = 10

#: Networks by the names of their sweeps.
NETWORKS = {"fully-connected": "Fully connected network", "lenet": "LeNet"}
NOT_CONTAINED = "the dimensions tried do not contain d_int90 in every seed"


def interval_finding(
    claim: str, holds: bool, estimate: SeedMean, evidence: str, paper: str, explanation: str, seeds: int
) -> Finding:
    """Return a finding that is undecided if the estimate lacks a seed."""
    complete = estimate.seeds == seeds
    decision = decide(holds if complete else None)
    reason = "" if complete else NOT_CONTAINED
    return Finding(claim, decision, evidence, paper, reason, explanation)


def few_directions(found: Dimensions, tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Decide whether d_int90 is a small fraction of all parameters, for each network."""
    papers = {"fully-connected": "750 of 199,210", "lenet": "290 of 44,426"}
    findings = []
    for name, title in NETWORKS.items():
        rows = found.pixels[name, "none"]
        mean = geometric_mean(rows)
        size = float(tables[name]["parameter_count"].iloc[0])
        accuracy = rows["direct"].mean()
        evidence = (
            f"d_int90 {show_interval(mean, '.0f')} of D = {size:,.0f}, {mean.value / size:.2%}; all parameters reach "
            f"{accuracy:.3f}"
        )
        findings.append(
            interval_finding(
                f"{title}: few random directions suffice",
                mean.high < FEW * size,
                mean,
                evidence,
                papers[name],
                "networks that train for fewer steps need more directions",
                len(rows),
            )
        )
    return findings


def convolutions_need_fewer(found: Dimensions) -> Finding:
    """Decide whether LeNet needs fewer dimensions than the fully connected network."""
    ratio = ratio_of_dimensions(found.pixels["fully-connected", "none"], found.pixels["lenet", "none"])
    return interval_finding(
        "A convolutional network needs fewer dimensions than a fully connected one",
        ratio.low > 1,
        ratio,
        f"fully connected over LeNet {show_interval(ratio, '.2f')}",
        "750 against 290",
        "90% of a higher accuracy is harder to reach",
        len(found.pixels["lenet", "none"]),
    )


def shuffled_pixels(found: Dimensions) -> list[Finding]:
    """Decide what shuffled pixels change, for either network and between them."""
    full = ratio_of_dimensions(found.pixels["fully-connected", "permuted"], found.pixels["fully-connected", "none"])
    lenet = ratio_of_dimensions(found.pixels["lenet", "permuted"], found.pixels["lenet", "none"])
    across = ratio_of_dimensions(found.pixels["lenet", "permuted"], found.pixels["fully-connected", "permuted"])
    seeds = len(found.pixels["lenet", "none"])
    return [
        interval_finding(
            "Fully connected network: shuffled pixels leave the intrinsic dimension as it is",
            full.low > 1 / SAME and full.high < SAME,
            full,
            f"shuffled over natural {show_interval(full, '.2f')}",
            "750 and 750",
            "the estimate is too noisy: in distribution a fully connected network does not see the order of pixels",
            seeds,
        ),
        interval_finding(
            "LeNet: shuffled pixels raise the intrinsic dimension",
            lenet.low > 1,
            lenet,
            f"shuffled over natural {show_interval(lenet, '.2f')}",
            "1,400 against 290",
            "90% of a lower accuracy is easier to reach",
            seeds,
        ),
        interval_finding(
            "On shuffled pixels convolutions need more dimensions than a fully connected network",
            across.low > 1,
            across,
            f"LeNet over fully connected {show_interval(across, '.2f')}",
            "1,400 against 750",
            "90% of LeNet's lower accuracy is easier to reach",
            seeds,
        ),
    ]


def other_sizes(sizes: pd.DataFrame) -> Finding:
    """Decide whether d_int90 is the same for networks of other widths and depths."""
    bounds = {parameters: bounds_of_mean(rows) for parameters, rows in sizes.groupby("parameters")}
    # The smallest factor that the known bounds allow; the factor itself if d_int90 is known everywhere.
    factor = max(one.low for one in bounds.values()) / min(one.high for one in bounds.values())
    parameter_factor = sizes["parameters"].max() / sizes["parameters"].min()
    slope = slope_in_parameters(sizes)
    reason = ""
    if parameter_factor < LEAST_PARAMETER_FACTOR:
        reason = f"D differs by a factor below {LEAST_PARAMETER_FACTOR}"
    incomplete = bool(sizes["dimension"].isna().any())
    if incomplete:
        reason = NOT_CONTAINED
    listed = ", ".join(_show_bounds(one) for one in bounds.values())
    evidence = (
        f"factor {'at least ' if incomplete else ''}{factor:.2f}, where D differs by {parameter_factor:.1f}; d_int90 "
        f"{listed} with rising D; slope of log d_int90 in log D {show_interval(slope)}"
    )
    return Finding(
        "The intrinsic dimension hardly depends on width and depth",
        decide(None if reason else factor <= LARGEST_FACTOR),
        evidence,
        "factor 1.33, where D differs by 24.1",
        reason,
        "networks of other depths train at other speeds in so few steps",
    )


def _show_bounds(bounds: Bounds) -> str:
    if bounds.low == bounds.high:
        return f"{bounds.low:.0f}"
    if bounds.low == 0:
        return f"at most {bounds.high:.0f}"
    return f"at least {bounds.low:.0f}"


def other_projections(projections: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Decide whether sparse and Fastfood projections need as many dimensions as dense ones."""
    findings = []
    for kind, title in (("sparse", "Sparse"), ("fastfood", "Fastfood")):
        ratio = ratio_of_dimensions(projections[kind], projections["dense"])
        findings.append(
            interval_finding(
                f"{title} projections serve as well as dense ones",
                ratio.low > 1 / SAME and ratio.high < SAME,
                ratio,
                f"{kind} over dense {show_interval(ratio, '.2f')}",
                "similar",
                "the estimate is too noisy",
                len(projections["dense"]),
            )
        )
    return findings
