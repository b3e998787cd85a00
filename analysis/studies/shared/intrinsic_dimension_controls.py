"""Claims about shuffled labels and small networks, for the study of Li et al. 2018."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.intrinsic_dimension_findings import NOT_CONTAINED, interval_finding
from benevolent.analysis.studies.shared.intrinsic_dimensions import (
    geometric_mean,
    growth_of_dimensions,
    ratio_of_dimensions,
)
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_over_seeds, show_interval

#: Accuracy up to which a network guesses one class: no class has so many of the ten classes' examples.
GUESSING = 0.15
#: Fewest seeds in which a small network is compared.
LEAST_TRAINED = 3
TOO_FEW = f"fewer than {LEAST_TRAINED} seeds have a network that trains and a subspace of as many dimensions"

#: Intrinsic dimensions, a row per seed, by number of examples and fraction of shuffled labels.
Labels = Mapping[tuple[int, float], pd.DataFrame]


def shuffled_labels(labels: Labels) -> Finding:
    """Decide whether shuffled labels need more dimensions than true ones."""
    many = max(examples for examples, _ in labels)
    ratio = ratio_of_dimensions(labels[many, 1.0], labels[many, 0.0])
    shuffled = geometric_mean(labels[many, 1.0])
    evidence = (
        f"shuffled over true {show_interval(ratio, '.2f')} at {many} examples; {shuffled.value / many:.1f} dimensions "
        "for each shuffled label"
    )
    return interval_finding(
        "Shuffled labels need more dimensions than true ones",
        ratio.low > 1,
        ratio,
        evidence,
        "190,000 of 959,610 against 750 of 199,210",
        "with so few examples true labels are memorized too",
        len(labels[many, 1.0]),
    )


def growth_with_labels(labels: Labels) -> Finding:
    """Decide whether shuffled labels cost more dimensions the more of them there are."""
    few = min(examples for examples, _ in labels)
    many = max(examples for examples, _ in labels)
    growths = {}
    for fraction in (0.0, 1.0):
        growths[fraction] = growth_of_dimensions(labels[few, fraction], labels[many, fraction], many / few)
    true = ratio_of_dimensions(labels[many, 0.0], labels[few, 0.0])
    faster = _difference_of_growth(labels, few, many)
    complete = faster.seeds == len(labels[few, 0.0])
    evidence = (
        f"exponents {show_interval(growths[1.0])} and {show_interval(growths[0.0])}, difference "
        f"{show_interval(faster)}; true labels of {many} examples need {true.value:.2f} times the dimensions of {few}"
    )
    return Finding(
        "Dimensions grow faster with the number of shuffled labels than with that of true ones",
        decide(faster.low > 0 if complete else None),
        evidence,
        reason="" if complete else NOT_CONTAINED,
        explanation="a subspace that fits all true labels memorizes them, as it does shuffled ones",
        kind="ours",
    )


def _difference_of_growth(labels: Labels, few: int, many: int) -> SeedMean:
    exponents = {}
    for fraction in (0.0, 1.0):
        at_many = labels[many, fraction].set_index("seed")["dimension"]
        at_few = labels[few, fraction].set_index("seed")["dimension"]
        exponents[fraction] = np.log(at_many / at_few) / np.log(many / few)
    difference = (exponents[1.0] - exponents[0.0]).rename("difference").reset_index()
    return mean_over_seeds(difference, lambda rows: float(rows["difference"].mean()))


def narrow_networks(small: pd.DataFrame) -> Finding:
    """Decide whether narrow networks that train do worse than subspaces of as many dimensions."""
    narrow = small[small["model.family"] == "mlp"]
    trained = narrow[narrow["own"] > GUESSING]
    leads = []
    shown = []
    for parameters in sorted(narrow["parameter_count"].unique()):
        networks = trained[trained["parameter_count"] == parameters]
        lead = _lead(networks)
        leads.append(lead)
        shown.append(_show_lead(parameters, lead, networks))
    complete = all(lead.seeds >= LEAST_TRAINED for lead in leads)
    return Finding(
        "Small networks with as many parameters do worse",
        decide(all(lead.low > 0 for lead in leads) if complete else None),
        f"accuracy in the subspace minus theirs: {', '.join(shown)}; {len(narrow) - len(trained)} of {len(narrow)} "
        "networks guess one class and are left out",
        "figure 4",
        "" if complete else TOO_FEW,
        "the smallest subspaces do badly too",
    )


def linear_classifier(small: pd.DataFrame) -> Finding:
    """Decide whether even a linear classifier of smaller images does worse than a subspace."""
    leads = []
    shown = []
    for parameters, networks in small[small["model.family"] == "linear"].groupby("parameter_count"):
        lead = _lead(networks)
        leads.append(lead)
        shown.append(_show_lead(parameters, lead, networks))
    complete = all(lead.seeds >= LEAST_TRAINED for lead in leads)
    return Finding(
        "No classifier with so few parameters does as well, not even a linear one on small images",
        decide(all(lead.low > 0 for lead in leads) if complete else None),
        f"accuracy in the subspace minus theirs: {', '.join(shown)}",
        reason="" if complete else TOO_FEW,
        explanation="a narrow network spends its parameters on pixels; those of a linear classifier of smaller images "
        "are well spent, and no large network is needed for them",
        kind="ours",
    )


def _lead(networks: pd.DataFrame) -> SeedMean:
    """Return the accuracy in subspaces minus that of small networks of as many parameters, over the seeds with both."""
    return mean_over_seeds(networks, lambda rows: float((rows["inside"] - rows["own"]).mean()))


def _show_lead(parameters: float, lead: SeedMean, networks: pd.DataFrame) -> str:
    """Return a lead and the accuracy of the small networks themselves, as text."""
    own = networks["own"].mean()
    return f"{parameters:.0f} parameters {show_interval(lead, '+.3f')} (theirs {own:.3f})"
