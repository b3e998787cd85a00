"""Claims about shuffled labels and small networks, for the study of Li et al. 2018."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.intrinsic_dimension_findings import if_contained
from benevolent.analysis.studies.shared.intrinsic_dimensions import geometric_mean, growth_by_seed, ratio_of_dimensions
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_of, seed_mean, show_interval
from benevolent.analysis.studies.shared.tables import rows_with

#: Accuracy up to which a network guesses one class: no class has so many of the ten classes' examples.
GUESSING = 0.15
#: Fewest seeds in which a small network is compared.
LEAST_TRAINED = 3
TOO_FEW = f"fewer than {LEAST_TRAINED} seeds have a network that trains and a subspace of as many dimensions"

#: Intrinsic dimensions, a row per seed, by number of examples and fraction of shuffled labels.
Labels = Mapping[tuple[int, float], pd.DataFrame]

#: Claims of the findings.
GROWTH_WITH_LABELS = StudyClaim(
    "Dimensions grow faster with the number of shuffled labels than with that of true ones",
    explanation="a subspace that fits all true labels memorizes them, as it does shuffled ones",
    kind="ours",
)
NARROW_NETWORKS = StudyClaim(
    "Small networks with as many parameters do worse",
    "figure 4",
    explanation="the smallest subspaces do badly too",
)
LINEAR_CLASSIFIER = StudyClaim(
    "No classifier with so few parameters does as well, not even a linear one on small images",
    explanation="a narrow network spends its parameters on pixels; those of a linear classifier of smaller images "
    "are well spent, and no large network is needed for them",
    kind="ours",
)
SHUFFLED_LABELS = StudyClaim(
    "Shuffled labels need more dimensions than true ones",
    "190,000 of 959,610 against 750 of 199,210",
    "with so few examples true labels are memorized too",
)


class Lead(NamedTuple):
    """Accuracy in subspaces minus that of small networks of as many parameters.

    Attributes:
        parameters: their number.
        lead: mean over the seeds that have both.
        own: mean accuracy of the small networks.
    """

    parameters: float
    lead: SeedMean
    own: float


def shuffled_labels(labels: Labels) -> Finding:
    """Decide whether shuffled labels need more dimensions than true ones."""
    many = max(examples for examples, _ in labels)
    shuffled = labels[many, 1.0]
    ratio = ratio_of_dimensions(shuffled, labels[many, 0.0])
    of_each = geometric_mean(shuffled).value / many
    shown = f"shuffled over true {show_interval(ratio, '.2f')} at {many} examples"
    evidence = f"{shown}; {of_each:.1f} dimensions for each shuffled label"
    return if_contained(SHUFFLED_LABELS, ratio.low > 1, ratio, evidence, len(shuffled))


def growth_with_labels(labels: Labels) -> Finding:
    """Decide whether shuffled labels cost more dimensions the more of them there are."""
    few = min(examples for examples, _ in labels)
    many = max(examples for examples, _ in labels)
    true = growth_by_seed(labels[few, 0.0], labels[many, 0.0], many / few)
    shuffled = growth_by_seed(labels[few, 1.0], labels[many, 1.0], many / few)
    faster = mean_of((shuffled - true).tolist())
    of_true = ratio_of_dimensions(labels[many, 0.0], labels[few, 0.0])
    exponents = f"exponents {show_interval(mean_of(shuffled.tolist()))} and {show_interval(mean_of(true.tolist()))}"
    times = f"true labels of {many} examples need {of_true.value:.2f} times the dimensions of {few}"
    evidence = f"{exponents}, difference {show_interval(faster)}; {times}"
    return if_contained(GROWTH_WITH_LABELS, faster.low > 0, faster, evidence, len(labels[few, 0.0]))


def narrow_networks(small: pd.DataFrame) -> Finding:
    """Decide whether narrow networks that train do worse than subspaces of as many dimensions."""
    narrow = rows_with(small, "model.family", "mlp")
    trained = narrow[narrow["own"] > GUESSING]
    leads = _leads(trained, narrow["parameter_count"])
    guessing = f"{len(narrow) - len(trained)} of {len(narrow)} networks guess one class and are left out"
    evidence = f"accuracy in the subspace minus theirs: {_show_leads(leads)}; {guessing}"
    return _do_worse(NARROW_NETWORKS, leads, evidence)


def linear_classifier(small: pd.DataFrame) -> Finding:
    """Decide whether even a linear classifier of smaller images does worse than a subspace."""
    linear = rows_with(small, "model.family", "linear")
    leads = _leads(linear, linear["parameter_count"])
    return _do_worse(LINEAR_CLASSIFIER, leads, f"accuracy in the subspace minus theirs: {_show_leads(leads)}")


def _leads(trained: pd.DataFrame, sizes: "pd.Series[float]") -> list[Lead]:
    """Return the lead of subspaces over the small networks that train, for each number of parameters."""
    leads = []
    for parameters in sorted(sizes.unique()):
        networks = rows_with(trained, "parameter_count", parameters)
        with_lead = networks.assign(lead=networks["inside"] - networks["own"])
        leads.append(Lead(parameters, seed_mean(with_lead, "lead"), networks["own"].mean()))
    return leads


def _show_leads(leads: Sequence[Lead]) -> str:
    shown = []
    for one in leads:
        shown.append(f"{one.parameters:.0f} parameters {show_interval(one.lead, '+.3f')} (theirs {one.own:.3f})")
    return ", ".join(shown)


def _do_worse(claim: StudyClaim, leads: Sequence[Lead], evidence: str) -> Finding:
    """Decide whether all small networks do worse; undecided if too few of them train."""
    if any(one.lead.seeds < LEAST_TRAINED for one in leads):
        return claim.decide(None, evidence, TOO_FEW)
    return claim.decide(all(one.lead.low > 0 for one in leads), evidence)
