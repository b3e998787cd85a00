"""Reset the layers of trained networks one by one: to their start, to an epoch, to newly drawn weights."""

import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.layers_equal_controls import (
    FOLLOWS,
    distance_finding,
    largest_drop_finding,
    random_step_finding,
    together_finding,
)
from benevolent.analysis.studies.shared.layers_equal_figures import figures_of
from benevolent.analysis.studies.shared.layers_equal_residual import (
    blocks_finding,
    fitted_blocks_finding,
    stages_finding,
)
from benevolent.analysis.studies.shared.layers_equal_tables import (
    FAMILIES,
    RANDOM,
    SIZE,
    START,
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
from benevolent.analysis.studies.shared.seed_means import show_interval, show_intervals
from benevolent.analysis.studies.shared.tables import Tables, rows_with

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

#: Claims of the findings.
FIRST_LAYER = StudyClaim(
    "The first layer of a perceptron cannot be set back to its start", "the first layer is critical"
)
OTHER_LAYERS = StudyClaim("Each other layer of a perceptron can be set back to its start", "the error hardly changes")
EARLY_EPOCH = StudyClaim(
    "Set back to an early epoch, the first layer is robust too",
    "the error hardly changes",
    explanation="with few images an epoch is few steps",
)
LOWER_LAYERS = StudyClaim(
    "In a VGG the lower layers are the critical ones",
    explanation="a network as small as ours, trained on few images, may need every layer",
)
WIDER = StudyClaim("Wider networks are more robust")
DEEPER = StudyClaim("Deeper networks are more robust")
DRAWN_ANEW = StudyClaim(
    "Any layer drawn anew destroys the {}",
    "guessing",
    "other layers carry what is left, as a shortcut does",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    drops = {name: drops_of_layers(results[name]) for name in FAMILIES}
    moves = {name: moves_of_layers(results[name]) for name in FAMILIES}
    sizes = drops_of_layers(results["sizes"], SIZE)
    depth = int(example_config(results["resnet"]).flat()["model.depth"])
    firsts, seconds = blocks_of(depth)
    residual = at(drops["resnet"], START)
    residual_moves = moves["resnet"]
    is_in_block = [*firsts, *seconds]
    critical = {"perceptron": [1], "vgg": _lower_half(drops["vgg"]), "resnet": firsts}
    epochs = int(example_config(results["perceptron"]).flat()["stop.max_epochs"])
    findings = [
        *_perceptron(drops["perceptron"]),
        _early_epoch(drops["perceptron"], epochs),
        _lower_layers(drops["vgg"]),
        blocks_finding(residual[residual["layer"].isin(is_in_block)], firsts),
        *(_destroyed(name, drops[name]) for name in FAMILIES),
        _robust_along(WIDER, sizes, "model.width"),
        _robust_along(DEEPER, sizes, "model.depth"),
        distance_finding(moves),
        largest_drop_finding(sizes),
        random_step_finding(moves, critical),
        together_finding(drops["perceptron"], TOLERANCE),
        fitted_blocks_finding(residual_moves[residual_moves["layer"].isin(is_in_block)], firsts),
        stages_finding(residual, stage_starts(depth)),
    ]
    return StudyAnswer(findings, figures_of(drops, moves, sizes), _numbers(drops, moves, sizes), _notes(results))


def _perceptron(drops: pd.DataFrame) -> list[Finding]:
    first = mean_drop(at(drops, START, [1]))
    others = {}
    for layer in sorted(set(at(drops, START)["layer"])):
        if layer > 1:
            others[f"layer {layer}"] = mean_drop(at(drops, START, [layer]))
    all_robust = max(drop.high for drop in others.values()) < TOLERANCE
    return [
        FIRST_LAYER.decide(first.low > TOLERANCE, f"accuracy falls by {show_interval(first, '.3f')}"),
        OTHER_LAYERS.decide(all_robust, f"accuracy falls by {show_intervals(others, '.3f')}"),
    ]


def _early_epoch(drops: pd.DataFrame, epochs: int) -> Finding:
    earliest = earliest_epoch(drops, epochs)
    by_epoch = _by_epoch(drops)
    if earliest is None:
        return EARLY_EPOCH.decide(None, by_epoch)
    drop = mean_drop(at(drops, earliest, [1]))
    evidence = f"to epoch {earliest} of {epochs} accuracy falls by {show_interval(drop, '.3f')}; {by_epoch}"
    return EARLY_EPOCH.decide(drop.high < TOLERANCE, evidence)


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
    evidence = f"lower half less upper half {show_interval(difference, '+.3f')}; {drops_by_layer(rows, 'drop')}"
    return LOWER_LAYERS.decide(difference.low > 0, evidence)


def _lower_half(rows: pd.DataFrame) -> list[int]:
    """Return the lower half of the layers, without the one in the middle."""
    return list(range(1, rows["layer"].max() // 2 + 1))


def _destroyed(name: str, drops: pd.DataFrame) -> Finding:
    accuracy = 1 - at(drops, RANDOM).groupby("layer")["error"].mean()
    best = f"at most {accuracy.max():.2f} (layer {accuracy.idxmax()})"
    evidence = f"accuracy {best}, in the mean over layers {accuracy.mean():.2f}"
    return DRAWN_ANEW.naming(FAMILIES[name]).decide(accuracy.max() <= DESTROYED, evidence)


def _robust_along(claim: StudyClaim, sizes: pd.DataFrame, axis: str) -> Finding:
    difference = fall_along(sizes, axis, "mean")
    means = at(sizes, START).groupby(axis)["drop"].mean()
    shown = ", ".join(f"{value}: {drop:.3f}" for value, drop in means.items())
    evidence = f"mean drop, smallest less largest {show_interval(difference, '+.3f')}; {shown}"
    return claim.decide(difference.low > 0, evidence)


def _numbers(drops: Tables, moves: Tables, sizes: pd.DataFrame) -> pd.DataFrame:
    tables = [sizes.assign(sweep="sizes", table="drops")]
    for name in FAMILIES:
        tables.append(drops[name].assign(sweep=name, table="drops"))
        tables.append(moves[name].assign(sweep=name, table="moves"))
    return pd.concat(tables, ignore_index=True)


def _notes(results: Sweeps) -> list[str]:
    errors = []
    for name, family in FAMILIES.items():
        runs = results[name].runs
        trained = rows_with(runs, "reset.layers", "")
        errors.append(f"{family} {trained['test_error'].mean():.3f}, train {trained['train_error'].mean():.3f}")
    return [
        f"Mean test and train error of the networks as trained: {'; '.join(errors)}.",
        "A layer is its weight and bias. BatchNorm layers of the residual network stay as trained, with their "
        "statistics, unless the claim says otherwise.",
    ]
