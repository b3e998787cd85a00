"""Reset the layers of trained networks one by one: to their start, to an epoch, to newly drawn weights."""

from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, decide
from benevolent.analysis.studies.shared.layers_equal_controls import (
    FOLLOWS,
    distance_finding,
    largest_drop_finding,
    random_step_finding,
    together_finding,
)
from benevolent.analysis.studies.shared.layers_equal_figures import figures_of
from benevolent.analysis.studies.shared.layers_equal_residual import blocks_finding, stages_finding
from benevolent.analysis.studies.shared.layers_equal_tables import (
    FAMILIES,
    RANDOM,
    SIZE,
    START,
    Tables,
    at,
    blocks_of,
    difference_to_others,
    drops_by_layer,
    drops_of_layers,
    earliest_epoch,
    epochs_of,
    fall_along,
    mean_drop,
    moves_of_layers,
    stage_starts,
)
from benevolent.analysis.studies.shared.network_outputs import example_config
from benevolent.analysis.studies.shared.seed_means import show_interval

#: Accuracy that a critical layer costs more than, and a robust one less than.
TOLERANCE = 0.05
#: Largest accuracy of a network that is destroyed: twice that of guessing one of ten classes.
DESTROYED = 0.2

RULE = f"""
The drop of a layer is the test accuracy that a trained network loses when this layer alone is set back, without further
training; means are over seeds, with Student's 95% interval.

Destroyed: with any one layer drawn anew, the mean accuracy is at most {DESTROYED}, twice that of guessing. Perceptron:
set back to the start, the first layer is critical (the interval of its drop lies above {TOLERANCE}) and each other
layer robust (below {TOLERANCE}); set back to the first of the recorded epochs after the start, the first layer is
robust as well; undecided if this is not in the first tenth of training. VGG: the mean drop of the lower half of the
layers, set back to the start, less that of the upper half, has an interval above 0. Residual network: the same for the
first layer of each residual block, less the other layers of blocks.

Wider, deeper: the mean drop over layers, at the start, falls from the smallest to the largest width (mean over depths),
and from the smallest to the largest depth (mean over widths): the interval of the difference lies above 0. Distance:
Spearman's rank correlation of the drop with the distance from the start among the layers of a network, in the mean over
the three families, lies below {FOLLOWS} with its interval, for the norm of the change of a layer's weight, the norm
relative to the initial one, and the largest change (above {FOLLOWS} for one of them the claim does not hold, else
undecided).

Ours: the largest drop of any layer falls with depth, as the mean does; a step back to the start costs more than a
random step as long, drawn for each network, in each family, for the layers that the claims above name (first, lower
half, first of each block): the interval of the difference lies above 0; the perceptron's layers above the first are
robust when they are set back together; the residual network's claim, with statistics of BatchNorm computed anew after
the step back; and in the residual network, the drop of its first layer and of those that begin one of its three stages,
less that of all others, has an interval above 0.
"""


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    drops = {name: drops_of_layers(results[name]) for name in FAMILIES}
    moves = {name: moves_of_layers(results[name]) for name in FAMILIES}
    sizes = drops_of_layers(results["sizes"], SIZE)
    depth = int(example_config(results["resnet"]).flat()["model.depth"])
    firsts, seconds = blocks_of(depth)
    in_blocks = [*firsts, *seconds]
    residual = at(drops["resnet"], START)
    critical = {"perceptron": [1], "vgg": _lower_half(drops["vgg"]), "resnet": firsts}
    epochs = int(example_config(results["perceptron"]).flat()["stop.max_epochs"])
    findings = [
        *_perceptron(drops["perceptron"], epochs),
        _lower_layers(drops["vgg"]),
        blocks_finding(residual[residual["layer"].isin(in_blocks)], firsts, "drop"),
        *(_destroyed(name, drops[name]) for name in FAMILIES),
        *_sizes(sizes),
        distance_finding(moves),
        largest_drop_finding(sizes),
        random_step_finding(moves, critical),
        together_finding(drops["perceptron"], TOLERANCE),
        blocks_finding(moves["resnet"][moves["resnet"]["layer"].isin(in_blocks)], firsts, "fitted_reset_drop"),
        stages_finding(residual, stage_starts(depth)),
    ]
    return StudyAnswer(findings, figures_of(drops, moves, sizes), _numbers(drops, moves, sizes), _notes(results))


def _perceptron(drops: pd.DataFrame, epochs: int) -> list[Finding]:
    first = mean_drop(at(drops, START, [1]))
    others = [layer for layer in sorted(set(at(drops, START)["layer"])) if layer > 1]
    by_layer = [mean_drop(at(drops, START, [layer])) for layer in others]
    shown = ", ".join(
        f"layer {layer} {show_interval(drop, '.3f')}" for layer, drop in zip(others, by_layer, strict=True)
    )
    return [
        Finding(
            "The first layer of a perceptron cannot be set back to its start",
            decide(first.low > TOLERANCE),
            f"accuracy falls by {show_interval(first, '.3f')}",
            "the first layer is critical",
        ),
        Finding(
            "Each other layer of a perceptron can be set back to its start",
            decide(max(drop.high for drop in by_layer) < TOLERANCE),
            f"accuracy falls by {shown}",
            "the error hardly changes",
        ),
        _early_epoch(drops, epochs),
    ]


def _early_epoch(drops: pd.DataFrame, epochs: int) -> Finding:
    earliest = earliest_epoch(drops, epochs)
    decision = decide(None)
    evidence = _by_epoch(drops)
    if earliest is not None:
        drop = mean_drop(at(drops, earliest, [1]))
        decision = decide(drop.high < TOLERANCE)
        evidence = f"to epoch {earliest} of {epochs} accuracy falls by {show_interval(drop, '.3f')}; {evidence}"
    return Finding(
        "Set back to an early epoch, the first layer is robust too",
        decision,
        evidence,
        "the error hardly changes",
        explanation="with few images an epoch is few steps",
    )


def _by_epoch(drops: pd.DataFrame) -> str:
    """Return the mean drops of the first layer by epoch, as text."""
    parts = []
    for epoch in epochs_of(drops):
        drop = at(drops, epoch, [1])["drop"].mean()
        parts.append(f"{epoch}: {drop:.3f}")
    return f"to epoch {', '.join(parts)}"


def _lower_layers(drops: pd.DataFrame) -> Finding:
    rows = at(drops, START)
    difference = difference_to_others(rows, _lower_half(rows), "drop")
    return Finding(
        "In a VGG the lower layers are the critical ones",
        decide(difference.low > 0),
        f"lower half less upper half {show_interval(difference, '+.3f')}; {drops_by_layer(rows, 'drop')}",
        explanation="a network as small as ours, trained on few images, may need every layer",
    )


def _lower_half(rows: pd.DataFrame) -> list[int]:
    """Return the lower half of the layers, without the one in the middle."""
    return list(range(1, rows["layer"].max() // 2 + 1))


def _destroyed(name: str, drops: pd.DataFrame) -> Finding:
    accuracy = 1 - at(drops, RANDOM).groupby("layer")["error"].mean()
    best = int(accuracy.idxmax())
    return Finding(
        f"Any layer drawn anew destroys the {FAMILIES[name]}",
        decide(accuracy.max() <= DESTROYED),
        f"accuracy at most {accuracy.max():.2f} (layer {best}), in the mean over layers {accuracy.mean():.2f}",
        "guessing",
        explanation="other layers carry what is left, as a shortcut does",
    )


def _sizes(sizes: pd.DataFrame) -> list[Finding]:
    findings = []
    for axis, claim in zip(SIZE, ("Wider networks are more robust", "Deeper networks are more robust"), strict=True):
        difference = fall_along(sizes, axis, "mean")
        means = at(sizes, START).groupby(axis)["drop"].mean()
        shown = ", ".join(f"{value}: {drop:.3f}" for value, drop in means.items())
        evidence = f"mean drop, smallest less largest {show_interval(difference, '+.3f')}; {shown}"
        findings.append(Finding(claim, decide(difference.low > 0), evidence))
    return findings


def _numbers(drops: Tables, moves: Tables, sizes: pd.DataFrame) -> pd.DataFrame:
    tables = [sizes.assign(sweep="sizes", table="drops")]
    for name in FAMILIES:
        tables.append(drops[name].assign(sweep=name, table="drops"))
        tables.append(moves[name].assign(sweep=name, table="moves"))
    return pd.concat(tables, ignore_index=True)


def _notes(results: Mapping[str, Results]) -> list[str]:
    errors = []
    for name, family in FAMILIES.items():
        runs = results[name].runs
        trained = runs[runs["reset.layers"] == ""]
        errors.append(f"{family} {trained['test_error'].mean():.3f}, train {trained['train_error'].mean():.3f}")
    return [
        f"Mean test and train error of the networks as trained: {'; '.join(errors)}.",
        "A layer is its weight and bias. BatchNorm layers of the residual network stay as trained, with their "
        "statistics, unless the claim says otherwise.",
    ]
