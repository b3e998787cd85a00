"""Train networks without BatchNorm, with it and with noise after it; measure covariate shift and the landscape."""

import numpy as np
import pandas as pd

from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.batchnorm_landscape_claims import (
    COVARIATE_SHIFT,
    FASTER,
    LANDSCAPE_CLAIMS,
    LARGER_RATES,
    NEARLY_AS_WELL,
    UNSTABLE_INPUTS,
)
from benevolent.analysis.studies.shared.batchnorm_landscape_controls import (
    all_above,
    equal_loss_finding,
    every_rate_finding,
    noisy_landscape_finding,
    show_by_network,
    side_of,
)
from benevolent.analysis.studies.shared.batchnorm_landscape_figures import figures_of
from benevolent.analysis.studies.shared.batchnorm_landscape_tables import (
    KIND,
    LANDSCAPE,
    NAMES,
    NOISY,
    NONE,
    PLAIN,
    RATE,
    RATES,
    difference_of,
    landscapes,
    means_by_kind,
    ratio_to,
    shifts,
)
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, Sweeps
from benevolent.analysis.studies.shared.network_outputs import class_count
from benevolent.analysis.studies.shared.seed_means import show_interval
from benevolent.analysis.studies.shared.tables import Tables, rows_with
from benevolent.trainables.store.statuses import Status

#: Largest excess in test error of a network that does nearly as well.
NEARLY = 0.05

RULE = f"""
Networks of one seed are compared; means are over seeds, with Student's 95% interval, ratios are geometric means. A
claim is undecided where a comparison lacks a seed, unless another of its comparisons, with all seeds, fails.

At a learning rate of {RATES["vgg"]}, for the VGG and the perceptron: faster, the loss of the batch that comes next, in
training mode and in the mean over recorded steps, without less with BatchNorm, has an interval above 0. Larger rates:
the same for the test error at each network's largest learning rate, where a network that diverged guesses. Noisy: the
test error of noisy BatchNorm less that of BatchNorm lies below {NEARLY}, and that without BatchNorm less that of noisy
BatchNorm above 0, for the VGG.

Covariate shift: the cosine of a layer's gradient before and after the layers below it have stepped, mean over layers
and recorded steps, is smaller with BatchNorm than without: the interval of the difference lies above 0 (below 0 the
claim does not hold; else undecided), for the deep linear network (at a learning rate of {RATES["deep-linear"]}) and for
the VGG. The cosine depends on the length of the step, and the first step, from the initial weights, can be much longer
than all others: it is shown apart and does not count.

Landscape: for steps of 0.05 to 0.4 times the gradient of the batch, in training mode, the ratio without to with
BatchNorm of the range of the loss, of the largest change of the gradient, and of the effective smoothness, over
recorded steps, has an interval above 1 in both networks.

Ours: covariate shift in the perceptron; the three ratios again between checkpoints of equal loss on their batch; noisy
BatchNorm in place of BatchNorm; and the ratio of the effective smoothness at every learning rate of the sweeps.

Check: in one step the mean inputs of layers shift more with noisy BatchNorm than without any: the interval of the
ratio, over steps and layers, lies above 1 (below 1 it fails; else undecided), for the VGG; it follows from the size of
the noise, which is drawn anew.
"""

#: Networks in which the source measures covariate shift.
OF_SOURCE = ("deep-linear", "vgg")


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    trained = {name: results[name] for name in ("vgg", "perceptron")}
    outcomes = {name: _outcomes(runs) for name, runs in trained.items()}
    fields = {name: landscapes(runs) for name, runs in trained.items()}
    shifted = {name: shifts(results[name], rate) for name, rate in RATES.items()}
    compared = {name: rows_with(field, RATE, RATES[name]) for name, field in fields.items()}
    seeds = results["vgg"].runs["seed"].nunique()
    findings = [
        *_landscape(compared, seeds),
        _faster(compared, seeds),
        _larger_rates(outcomes, seeds),
        _noisy(outcomes["vgg"], seeds),
        _unstable_inputs(shifted["vgg"], seeds),
        *(_covariate_shift(shifted[name], name, seeds) for name in (*OF_SOURCE, "perceptron")),
        equal_loss_finding(compared, seeds),
        noisy_landscape_finding(compared, seeds),
        every_rate_finding(fields, seeds),
    ]
    numbers = _numbers(fields, shifted)
    notes = _notes(trained, fields, shifted)
    return StudyAnswer(findings, figures_of(compared, outcomes, fields, shifted), numbers, notes)


def _outcomes(results: Results) -> pd.DataFrame:
    """Return the runs with their outcomes; one that diverged guesses."""
    runs = results.runs
    classes = class_count(results)
    losses = runs["train_loss"].fillna(np.log(classes))
    outcomes = runs.assign(train_loss=losses, test_error=runs["test_error"].fillna(1 - 1 / classes))
    # Networks that diverged ended at other steps, and are compared all the same.
    return outcomes.drop(columns="step", errors="ignore")


def _landscape(compared: Tables, seeds: int) -> list[Finding]:
    findings = []
    for column, claim in LANDSCAPE_CLAIMS.items():
        ratios = {name: ratio_to(table, column, PLAIN) for name, table in compared.items()}
        evidence = f"{LANDSCAPE[column]}, without / with: {show_by_network(ratios)}"
        findings.append(claim.decide(all_above(ratios, 1, seeds), evidence))
    return findings


def _faster(compared: Tables, seeds: int) -> Finding:
    differences = {name: difference_of(table, "loss", PLAIN) for name, table in compared.items()}
    evidence = f"mean loss of batches, without less with: {show_by_network(differences, '+.3f')}"
    return FASTER.decide(all_above(differences, 0, seeds), evidence)


def _larger_rates(outcomes: Tables, seeds: int) -> Finding:
    differences = {}
    rates = []
    for name, table in outcomes.items():
        largest = table[RATE].max()
        differences[name] = difference_of(rows_with(table, RATE, largest), "test_error", PLAIN)
        rates.append(f"{NAMES[name]} {largest:g}")
    evidence = f"test error at {', '.join(rates)}, without less with: {show_by_network(differences, '+.3f')}"
    return LARGER_RATES.decide(all_above(differences, 0, seeds), evidence)


def _noisy(outcomes: pd.DataFrame, seeds: int) -> Finding:
    table = rows_with(outcomes, RATE, RATES["vgg"])
    behind = difference_of(table, "test_error", PLAIN, NOISY)
    ahead = difference_of(table, "test_error", NOISY)
    holds = behind.high < NEARLY and ahead.low > 0
    is_complete = min(behind.seeds, ahead.seeds) >= seeds
    shown = f"noisy less BatchNorm {show_interval(behind, '+.3f')}; without less noisy {show_interval(ahead, '+.3f')}"
    evidence = f"test error, {shown}; {means_by_kind(table, 'test_error')}"
    return NEARLY_AS_WELL.decide(holds if is_complete else None, evidence)


def _unstable_inputs(shifted: pd.DataFrame, seeds: int) -> Finding:
    more = ratio_to(shifted, "input_shift", NONE, to=NOISY, keys=("step", "layer"))
    shown = f"noisy / without {show_interval(more, '.2f')}"
    evidence = f"shift of mean inputs in a step, {shown}; {means_by_kind(shifted, 'input_shift')}"
    reason = "the noise is drawn anew after the step, so that its size sets the shift"
    return UNSTABLE_INPUTS.decide(side_of(more, 1, seeds), evidence, reason)


def _covariate_shift(table: pd.DataFrame, name: str, seeds: int) -> Finding:
    is_start = table["step"] == 0
    start = table[is_start]
    later = table[~is_start]
    difference = difference_of(later, "cosine", PLAIN)
    at_start = difference_of(start, "cosine", PLAIN)
    length = ratio_to(later, "relative_difference", PLAIN, keys=("step", "layer"))
    shown = f"without less with {show_interval(difference, '+.3f')}; {means_by_kind(later, 'cosine')}"
    change = f"relative change of the gradient, without / with {show_interval(length, '.2f')}"
    shown_at_start = f"cosine {show_interval(at_start, '+.3f')}; {means_by_kind(start, 'cosine')}"
    evidence = f"after the first step, cosine of gradients, {shown}; {change}; in the first step, {shown_at_start}"
    claim = COVARIATE_SHIFT.naming(NAMES[name])
    if name not in OF_SOURCE:
        claim = claim.beyond_paper()
    return claim.decide(side_of(difference, 0, seeds), evidence)


def _numbers(fields: Tables, shifted: Tables) -> pd.DataFrame:
    """Return the means over seeds of all quantities, by step, and by layer where there are layers."""
    tables = []
    for label, named in (("landscape", fields), ("shift", shifted)):
        for name, table in named.items():
            keys = [key for key in (KIND, RATE, "step", "layer") if key in table]
            means = table.groupby(keys).mean(numeric_only=True).drop(columns="seed").reset_index()
            tables.append(means.assign(sweep=name, table=label))
    return pd.concat(tables, ignore_index=True)


def _notes(trained: Sweeps, fields: Tables, shifted: Tables) -> list[str]:
    left_out = []
    for quantity, tables in (("landscape", fields), ("shifts", shifted)):
        counts = [f"{table.attrs['left_out']} in the {NAMES[name]}" for name, table in tables.items()]
        left_out.append(f"of the {quantity}, {', '.join(counts)}")
    diverged = 0
    for results in trained.values():
        diverged += int((results.runs["status"] == Status.DIVERGED).sum())
    return [
        "Train loss and test error are those of eval mode, in which noisy BatchNorm adds no noise. Landscape and "
        "shifts are of the batch that a network takes next, in training mode; with noise the draws of one step are "
        "used for its gradient and for all points along it.",
        f"{diverged} networks diverged. Rows left out because a value is not finite: {'; '.join(left_out)}.",
    ]
