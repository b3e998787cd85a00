"""Train networks in random subspaces, and find how many dimensions a network and a task need."""

import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.multi_run.intrinsic_dimension import DIMENSION
from benevolent.analysis.studies.shared.findings import RULE_CHANGED, StudyAnswer, Sweeps
from benevolent.analysis.studies.shared.intrinsic_dimension_controls import (
    GUESSING,
    LEAST_TRAINED,
    growth_with_labels,
    linear_classifier,
    narrow_networks,
    shuffled_labels,
)
from benevolent.analysis.studies.shared.intrinsic_dimension_figures import (
    LABELS,
    NETWORKS,
    PIXELS,
    SIZES,
    draw_accuracies,
    draw_against_parameters,
    draw_controls,
)
from benevolent.analysis.studies.shared.intrinsic_dimension_findings import (
    FEW,
    LARGEST_FACTOR,
    LEAST_PARAMETER_FACTOR,
    SAME,
    convolutions_need_fewer,
    few_directions,
    other_projections,
    other_sizes,
    shuffled_pixels,
)
from benevolent.analysis.studies.shared.intrinsic_dimensions import Dimensions, accuracy_at, dimensions_by_seed
from benevolent.analysis.studies.shared.tables import Tables, rows_with

RULE = f"""
d_int90 is the dimension at which training in a random subspace reaches 90% of the accuracy that training all D
parameters reaches, per seed, between the dimensions tried linear in their logarithm; accuracy is that on test examples,
and for shuffled labels that on the training examples. Values and ratios are geometric means over seeds with Student's
95% interval; a claim is undecided if the dimensions tried do not contain d_int90 in every seed.

Few: the interval of d_int90 lies below {FEW:.0%} of D. Convolutions: d_int90 of the fully connected network over that
of LeNet has an interval above 1. Pixels: shuffled over natural, for the fully connected network the interval lies
within 1/{SAME} to {SAME}, for LeNet it lies above 1; and on shuffled pixels d_int90 of LeNet over that of the fully
connected network has an interval above 1.

Sizes: the largest mean d_int90 of fully connected networks is at most {LARGEST_FACTOR:g} times the smallest; undecided
if D differs by less than a factor of {LEAST_PARAMETER_FACTOR}. Projections: d_int90 with sparse and with Fastfood
projections, each over that with dense ones, has an interval within 1/{SAME} to {SAME}.

Labels: shuffled over true at the larger number of examples, the interval lies above 1. Small networks: for each narrow
fully connected network, with the learning rate of the lowest train loss among those tried for it and the seed, the
accuracy in a subspace of as many dimensions minus its own has an interval above 0; the subspaces are those of the
network of the median size among those of other sizes (the lower of two), between the dimensions tried and not beyond;
networks with an accuracy of at most {GUESSING:.0%} guess one class and are left out; undecided with fewer than
{LEAST_TRAINED} seeds of a network.

Ours. Memory: from the smaller to the larger number of examples log d_int90 grows more, per log of the number, for
shuffled labels than for true ones, with an interval of the difference above 0. Any small classifier: the accuracy in
such a subspace, minus that of each linear classifier of as many parameters on smaller images, has an interval above 0;
undecided as for narrow networks.
"""

PROJECTION = "subspace.projection"


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    tables = {name: runs.table() for name, runs in results.items()}
    found = _dimensions(tables)
    small = _small_networks(tables)
    findings = [
        *few_directions(found, tables),
        convolutions_need_fewer(found),
        *shuffled_pixels(found),
        other_sizes(found.sizes),
        shuffled_labels(found.labels),
        *other_projections(found.projections),
        narrow_networks(small),
        growth_with_labels(found.labels),
        linear_classifier(small),
    ]
    accuracies = render_figure(
        "accuracies",
        "Accuracy in random subspaces",
        "Test accuracy against the dimension of the subspace, means over seeds with their range. Horizontal lines: 90% "
        "of the accuracy that training all D parameters reaches; vertical lines: d_int90, the dimension that reaches "
        "it.",
        draw_accuracies,
        tables,
        found.pixels,
    )
    sizes = render_figure(
        "sizes",
        "Intrinsic dimension against the number of parameters",
        "d_int90 of fully connected networks of other widths and depths, geometric means over seeds with their range. "
        "On the gray lines d_int90 is a fixed fraction of D.",
        draw_against_parameters,
        found.sizes,
    )
    controls = render_figure(
        "controls",
        "Shuffled labels, kinds of projections, and small networks",
        "Means over seeds with their range. Left, accuracy on training examples with true and with shuffled labels; "
        "middle, three kinds of projections; right, networks that train all of their few parameters, beside subspaces.",
        draw_controls,
        tables,
        small,
    )
    return StudyAnswer(findings, [accuracies, sizes, controls], _numbers(found), _notes(tables))


def _dimensions(tables: Tables) -> Dimensions:
    pixels = {}
    for name in NETWORKS:
        by_seed = dimensions_by_seed(tables[name], [PIXELS], "test_error")
        for kind, rows in by_seed.groupby(PIXELS):
            pixels[name, str(kind)] = rows
    sizes = tables["sizes"]
    parameters = sizes.groupby(SIZES)["parameter_count"].first().rename("parameters").reset_index()
    of_sizes = dimensions_by_seed(sizes, SIZES, "test_error").merge(parameters, on=SIZES)
    projected = _with_direct_runs(tables["projections"], sizes)
    of_projections = dimensions_by_seed(projected, [PROJECTION], "test_error")
    labels = {}
    for name in ("few-labels", "many-labels"):
        by_seed = dimensions_by_seed(tables[name], [LABELS], "train_error")
        examples = int(tables[name]["data.train_size"].iloc[0])
        for fraction, rows in by_seed.groupby(LABELS):
            labels[examples, float(fraction)] = rows
    projections = {str(kind): rows for kind, rows in of_projections.groupby(PROJECTION)}
    return Dimensions(pixels, of_sizes, projections, labels)


def _with_direct_runs(projections: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of the sweep of projections with those that train all parameters of the same network."""
    network = projections[SIZES].iloc[0]
    same_network = (sizes[SIZES] == network).all(axis=1)
    direct = sizes[same_network & sizes[DIMENSION].isna()]
    return pd.concat([projections, direct], ignore_index=True)


def _small_networks(tables: Tables) -> pd.DataFrame:
    """Return the accuracy of small networks and that in subspaces of as many dimensions, a row per network and seed."""
    sizes = tables["sizes"]
    counts = pd.Series(sizes["parameter_count"].unique())
    middle = counts.quantile(0.5, interpolation="lower")
    curve = rows_with(sizes, "parameter_count", middle)
    small = tables["small-networks"]
    # Of the learning rates the one with the lowest train loss.
    best = small.sort_values("train_loss").drop_duplicates(["seed", "parameter_count"])
    rows = best[["seed", "model.family", "parameter_count", "test_error"]].sort_values(["parameter_count", "seed"])
    rows = rows.assign(own=1 - rows["test_error"])
    parts = []
    for parameters, networks in rows.groupby("parameter_count"):
        inside = accuracy_at(curve, float(str(parameters)))
        parts.append(networks.assign(inside=networks["seed"].map(inside)))
    return pd.concat(parts, ignore_index=True)


def _numbers(found: Dimensions) -> pd.DataFrame:
    """Return all intrinsic dimensions, a row per group and seed."""
    parts = [rows.assign(network=name) for (name, _), rows in found.pixels.items()]
    parts.append(found.sizes.assign(network="sizes"))
    parts += [rows.assign(network="projections") for rows in found.projections.values()]
    parts += [rows.assign(network="labels", examples=examples) for (examples, _), rows in found.labels.items()]
    return pd.concat(parts, ignore_index=True)


def _notes(tables: Tables) -> list[str]:
    steps = tables["lenet"]["step"].iloc[0]
    return [
        f"{RULE_CHANGED}: before, small networks were trained with one learning rate, with which six of 15 narrow ones "
        "guessed one class, and counted; sizes were tried up to half as many dimensions, so that the largest networks "
        "had no d_int90 in two of five seeds; and subspaces beyond the dimensions tried counted as the nearest.",
        f"Networks in subspaces take {steps} steps of Adam; d_int90 falls with more of them. Widths and depths, "
        "projections, labels and small networks are compared on images of half the resolution at small scale.",
        "That a fully connected network needs as many dimensions with shuffled pixels follows from symmetry, in "
        "distribution: its first weights and the projection are drawn alike for every pixel.",
    ]
