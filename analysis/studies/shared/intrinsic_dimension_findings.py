"""Claims about networks in random subspaces, with the parts of the rule that decide them (Li et al. 2018)."""

import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.intrinsic_dimensions import (
    Bounds,
    Dimensions,
    bounds_of_mean,
    geometric_mean,
    ratio_of_dimensions,
    slope_in_parameters,
)
from benevolent.analysis.studies.shared.seed_means import SeedMean, show_interval
from benevolent.analysis.studies.shared.tables import Tables

#: Largest fraction of all parameters that is few.
FEW = 0.02
#: Factor up to which dimensions are the same: that between the paper's 20 fully connected networks.
SAME = 1.33
#: Largest factor between fully connected networks of other sizes, in their means over seeds.
LARGEST_FACTOR = 2.0
#: Smallest factor between the numbers of parameters of those networks.
LEAST_PARAMETER_FACTOR = 10

NOT_CONTAINED = "the dimensions tried do not contain d_int90 in every seed"

#: Claims of the findings.
OTHER_SIZES = StudyClaim(
    "The intrinsic dimension hardly depends on width and depth",
    "factor 1.33, where D differs by 24.1",
    "networks of other depths train at other speeds in so few steps",
)
FEW_SUFFICE = StudyClaim(
    "few random directions suffice", explanation="networks that train for fewer steps need more directions"
)

#: The same about each network, with what the source says.
FEW_DIRECTIONS = {
    "fully-connected": FEW_SUFFICE.about("Fully connected network")._replace(paper="750 of 199,210"),
    "lenet": FEW_SUFFICE.about("LeNet")._replace(paper="290 of 44,426"),
}

CONVOLUTIONS = StudyClaim(
    "A convolutional network needs fewer dimensions than a fully connected one",
    "750 against 290",
    "90% of a higher accuracy is harder to reach",
)
PIXELS_OF_FULL = StudyClaim(
    "Fully connected network: shuffled pixels leave the intrinsic dimension as it is",
    "750 and 750",
    "the estimate is too noisy: in distribution a fully connected network does not see the order of pixels",
)
PIXELS_OF_LENET = StudyClaim(
    "LeNet: shuffled pixels raise the intrinsic dimension",
    "1,400 against 290",
    "90% of a lower accuracy is easier to reach",
)
PIXELS_ACROSS = StudyClaim(
    "On shuffled pixels convolutions need more dimensions than a fully connected network",
    "1,400 against 750",
    "90% of LeNet's lower accuracy is easier to reach",
)

PROJECTIONS = {
    "sparse": StudyClaim("Sparse projections serve as well as dense ones", "similar", "the estimate is too noisy"),
    "fastfood": StudyClaim("Fastfood projections serve as well as dense ones", "similar", "the estimate is too noisy"),
}


def if_contained(claim: StudyClaim, holds: bool, estimate: SeedMean, evidence: str, seeds: int) -> Finding:
    """Return a finding that is undecided if the estimate lacks one of so many seeds."""
    if estimate.seeds != seeds:
        return claim.decide(None, evidence, NOT_CONTAINED)
    return claim.decide(holds, evidence)


def few_directions(found: Dimensions, tables: Tables) -> list[Finding]:
    """Decide whether d_int90 is a small fraction of all parameters, for each network."""
    findings = []
    for name, claim in FEW_DIRECTIONS.items():
        rows = found.pixels[name, "none"]
        mean = geometric_mean(rows)
        size = float(tables[name]["parameter_count"].iloc[0])
        part = f"{show_interval(mean, '.0f')} of D = {size:,.0f}, {mean.value / size:.2%}"
        evidence = f"d_int90 {part}; all parameters reach {rows['direct'].mean():.3f}"
        findings.append(if_contained(claim, mean.high < FEW * size, mean, evidence, len(rows)))
    return findings


def convolutions_need_fewer(found: Dimensions) -> Finding:
    """Decide whether LeNet needs fewer dimensions than the fully connected network."""
    lenet = found.pixels["lenet", "none"]
    ratio = ratio_of_dimensions(found.pixels["fully-connected", "none"], lenet)
    evidence = f"fully connected over LeNet {show_interval(ratio, '.2f')}"
    return if_contained(CONVOLUTIONS, ratio.low > 1, ratio, evidence, len(lenet))


def shuffled_pixels(found: Dimensions) -> list[Finding]:
    """Decide what shuffled pixels change, for either network and between them."""
    full = ratio_of_dimensions(found.pixels["fully-connected", "permuted"], found.pixels["fully-connected", "none"])
    lenet = ratio_of_dimensions(found.pixels["lenet", "permuted"], found.pixels["lenet", "none"])
    across = ratio_of_dimensions(found.pixels["lenet", "permuted"], found.pixels["fully-connected", "permuted"])
    seeds = len(found.pixels["lenet", "none"])
    of_full = f"shuffled over natural {show_interval(full, '.2f')}"
    of_lenet = f"shuffled over natural {show_interval(lenet, '.2f')}"
    between = f"LeNet over fully connected {show_interval(across, '.2f')}"
    return [
        if_contained(PIXELS_OF_FULL, _is_same(full), full, of_full, seeds),
        if_contained(PIXELS_OF_LENET, lenet.low > 1, lenet, of_lenet, seeds),
        if_contained(PIXELS_ACROSS, across.low > 1, across, between, seeds),
    ]


def _is_same(ratio: SeedMean) -> bool:
    return ratio.low > 1 / SAME and ratio.high < SAME


def other_sizes(sizes: pd.DataFrame) -> Finding:
    """Decide whether d_int90 is the same for networks of other widths and depths."""
    bounds = [bounds_of_mean(rows) for _, rows in sizes.groupby("parameters")]
    # The smallest factor that the known bounds allow; the factor itself if d_int90 is known everywhere.
    factor = max(one.low for one in bounds) / min(one.high for one in bounds)
    parameter_factor = sizes["parameters"].max() / sizes["parameters"].min()
    is_incomplete = bool(sizes["dimension"].isna().any())
    slope = slope_in_parameters(sizes)
    listed = ", ".join(_show_bounds(one) for one in bounds)
    at_least = "at least " if is_incomplete else ""
    factors = f"factor {at_least}{factor:.2f}, where D differs by {parameter_factor:.1f}"
    evidence = f"{factors}; d_int90 {listed} with rising D; slope of log d_int90 in log D {show_interval(slope)}"
    if is_incomplete:
        return OTHER_SIZES.decide(None, evidence, NOT_CONTAINED)
    if parameter_factor < LEAST_PARAMETER_FACTOR:
        return OTHER_SIZES.decide(None, evidence, f"D differs by a factor below {LEAST_PARAMETER_FACTOR}")
    return OTHER_SIZES.decide(factor <= LARGEST_FACTOR, evidence)


def _show_bounds(bounds: Bounds) -> str:
    if bounds.low == bounds.high:
        return f"{bounds.low:.0f}"
    if bounds.low == 0:
        return f"at most {bounds.high:.0f}"
    return f"at least {bounds.low:.0f}"


def other_projections(projections: Tables) -> list[Finding]:
    """Decide whether sparse and Fastfood projections need as many dimensions as dense ones."""
    dense = projections["dense"]
    findings = []
    for kind, claim in PROJECTIONS.items():
        ratio = ratio_of_dimensions(projections[kind], dense)
        evidence = f"{kind} over dense {show_interval(ratio, '.2f')}"
        findings.append(if_contained(claim, _is_same(ratio), ratio, evidence, len(dense)))
    return findings
