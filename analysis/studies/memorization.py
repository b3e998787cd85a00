"""Compare how networks fit real data, Gaussian noise in place of the inputs, and random labels."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.difficulty import difficulty_spread
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.findings import Finding, Kind, StudyAnswer, decide
from benevolent.analysis.studies.shared.memorization_figures import (
    convergence_figure,
    difficulty_figure,
    noise_figure,
    regularizers_figure,
)
from benevolent.analysis.studies.shared.memorization_tables import (
    EARLY,
    PURE,
    RANDX,
    RANDY,
    REAL,
    REGULARIZERS,
    by_seed,
    convergence_times,
    epoch_of_best_validation,
    epoch_of_fit,
    growth,
    histories,
    memorized_at_no_cost,
    regularized,
    right_answers,
    sensitivity_ginis,
)
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_of, show_interval

#: Groups of seeds in which the spread of difficulties is estimated.
GROUPS = 5
#: Train accuracy that counts as high, and the fraction of random labels at which it is compared with validation.
HIGH_ACCURACY = 0.9
WRONG = 0.5
#: Validation accuracy that a regularizer may cost.
TOLERANCE = 0.01
AXES = {"capacity": "model.width", "examples": "data.train_size"}

RULE = f"""
Each claim is about a mean over seeds (difficulty: over {GROUPS} groups of seeds) with Student's 95% interval; pairs
share their seed. Difficulty, after one epoch: the variance over examples of the fraction of networks that are wrong
on them is, on real data, larger than if mistakes fell on examples at random; its ratio to that is larger on real data
than on randX and on randY (interval of the log ratio above 0); on randX and on randY the interval of the ratio has 1
in it (equally difficult). Sensitivity: the Gini coefficient over examples of the mean over epochs of ||dL/dx||_1 is
larger on real data than on randX and on randY. Critical samples: at the end the critical sample ratio on validation
inputs is larger for randX and for randY than for real data, and at half noise it is between that of none and of all,
each difference with an interval above 0. Rise: it is larger at the end than after one epoch for real data, randX and
randY, and changes less after half of the epochs than before. Capacity: from the smallest to the largest width the
logarithm of the epochs to zero train error falls less on real data than on noise. Data: from the fewest to the most
examples it rises less on real data than on noise. Patterns first: with {WRONG:.0%} random labels the epoch of the
highest validation accuracy is before the first with a train accuracy of {HIGH_ACCURACY} (log ratio below 0), and
validation accuracy ends lower. Dropout: the least train accuracy on random labels over strengths whose validation
accuracy on real data is at most {TOLERANCE} below that without a regularizer is lower for dropout than for each other
regularizer.
"""


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    right = right_answers(results["difficulty"])
    table = histories(results["noise"])
    ginis = sensitivity_ginis(results["noise"], table)
    times = {name: convergence_times(results[name]) for name in AXES}
    tradeoffs = regularized(results["regularizers"])
    findings = [
        *_difficulty(right),
        _sensitivity(ginis),
        _critical_samples(table),
        _rise(table),
        _time(times["capacity"], "capacity", RANDX),
        _time(times["examples"], "examples", RANDX),
        _patterns_first(table),
        *(_dropout(tradeoffs, other) for other in [*REGULARIZERS, EARLY] if other != "dropout"),
        _equal(right),
        _time(times["capacity"], "capacity", RANDY),
        _time(times["examples"], "examples", RANDY),
    ]
    figures = [
        difficulty_figure(right),
        noise_figure(table, ginis),
        convergence_figure(times, AXES),
        regularizers_figure(tradeoffs),
    ]
    columns = ["kind", "seed", *AXES.values(), "epochs", "reached"]
    parts = [table.assign(table="noise"), ginis.assign(table="sensitivity"), tradeoffs.assign(table="regularizers")]
    parts += [rows[columns].assign(table=name) for name, rows in times.items()]
    notes = [
        "The sensitivity of an example is the derivative of its own loss at the recorded epochs; the source also "
        "follows how an example acts through the steps of training.",
        "Networks that have not fitted every example at the limit of epochs count as having done so there.",
    ]
    return StudyAnswer(findings, figures, pd.concat(parts, ignore_index=True), notes)


def _spreads(right: Mapping[str, object], kind: str) -> list[float]:
    """Return the spread of difficulties in each group of networks."""
    answers = right[kind]
    return [difficulty_spread(answers[group::GROUPS]) for group in range(GROUPS)]  # type: ignore[index]


def _difficulty(right: Mapping[str, object]) -> list[Finding]:
    real = mean_of(_spreads(right, REAL))
    logs = {}
    for kind in (RANDX, RANDY):
        logs[kind] = mean_of(np.log(np.array(_spreads(right, REAL)) / _spreads(right, kind)).tolist())
    shown = ", ".join(f"log ratio to {kind} {_show(estimate, 'group')}" for kind, estimate in logs.items())
    return [
        Finding(
            "Real data have easy and hard examples",
            decide(real.low > 1),
            f"variance over that of chance {_show(real, 'group', '.2f')}",
            "figure 1",
        ),
        Finding(
            "Examples of random data are more alike in difficulty",
            decide(all(estimate.low > 0 for estimate in logs.values())),
            shown,
            "figure 1",
        ),
    ]


def _equal(right: Mapping[str, object]) -> Finding:
    estimates = {kind: mean_of(_spreads(right, kind)) for kind in (RANDX, RANDY)}
    return Finding(
        "Examples of random data are equally difficult",
        decide(all(estimate.low <= 1 <= estimate.high for estimate in estimates.values())),
        ", ".join(f"{kind} {_show(estimate, 'group', '.2f')}" for kind, estimate in estimates.items()),
        explanation="classes, or images of noise, differ a little in what a network says of them by chance",
        kind="ours",
    )


def _show(estimate: SeedMean, unit: str = "seed", number_format: str = "+.2f") -> str:
    return show_interval(estimate, number_format).replace("seed", unit)


def _differences(values: pd.DataFrame, more: object, less: object) -> SeedMean:
    return mean_of((values[more] - values[less]).tolist())


def _sensitivity(ginis: pd.DataFrame) -> Finding:
    values = ginis.pivot(index="seed", columns="kind", values="gini")
    differences = {kind: _differences(values, REAL, kind) for kind in (RANDX, RANDY)}
    means = ", ".join(f"{kind} {values[kind].mean():.2f}" for kind in PURE)
    shown = ", ".join(f"real minus {kind} {_show(estimate)}" for kind, estimate in differences.items())
    return Finding(
        "On real data the loss is sensitive to few examples, on noise to all",
        decide(all(estimate.low > 0 for estimate in differences.values())),
        f"Gini {means}; {shown}",
        "figures 3 and 4: a higher Gini coefficient on real data",
    )


def _critical_samples(table: pd.DataFrame) -> Finding:
    kinds = [(REAL, 0.0), (RANDX, 0.5), (RANDX, 1.0), (RANDY, 0.5), (RANDY, 1.0)]
    values = by_seed(table, "critical_sample_ratio", kinds)
    steps = []
    for kind in (RANDX, RANDY):
        steps += [_differences(values, (kind, 0.5), (REAL, 0.0)), _differences(values, (kind, 1.0), (kind, 0.5))]
    means = ", ".join(f"{kind} {level:g}: {values[kind, level].mean():.2f}" for kind, level in kinds)
    least = min(steps, key=lambda estimate: estimate.low)
    return Finding(
        "The noisier the data, the more samples are critical",
        decide(all(estimate.low > 0 for estimate in steps)),
        f"{means}; smallest difference {_show(least)}",
        "figure 9: ordered by the level of noise",
        explanation="noise in place of images leaves the function near real inputs as the other examples make it",
    )


def _rise(table: pd.DataFrame) -> Finding:
    pure = table[((table["level"] == 0) & (table["kind"] == REAL)) | (table["level"] == 1)]
    wide = pure.pivot(index=["kind", "seed"], columns="epoch", values="critical_sample_ratio")
    epochs = sorted(wide.columns)
    half = min(epochs, key=lambda epoch: abs(epoch - epochs[-1] / 2))
    shown = []
    holds = True
    for kind in PURE:
        values = wide.loc[kind]
        rise = mean_of((values[epochs[-1]] - values[epochs[0]]).tolist())
        early = (values[half] - values[epochs[0]]).abs().mean()
        late = (values[epochs[-1]] - values[half]).abs().mean()
        holds = holds and rise.low > 0 and bool(late < early)
        shown.append(f"{kind} {_show(rise)}, after half {late:.3f} (before {early:.3f})")
    return Finding(
        "Critical samples become more in training, then level off",
        decide(holds),
        "; ".join(shown),
        "figure 9",
        explanation="on data that are soon fitted, later training moves the boundary away from the inputs",
    )


def _time(times: pd.DataFrame, sweep: str, kind: str) -> Finding:
    axis = AXES[sweep]
    real = growth(times, axis, REAL)
    noise = growth(times, axis, kind)
    # More width shortens training and more data lengthen it: either acts more on noise.
    sign = -1 if sweep == "capacity" else 1
    difference = mean_of((sign * (noise - real)).tolist())
    what = {
        "capacity": f"More capacity shortens training on {kind} more than on real data",
        "examples": f"More data lengthen training on {kind} more than on real data",
    }
    factors = (
        f"epochs change by a factor of {np.exp(real.mean()):.2f} on real data, {np.exp(noise.mean()):.2f} on {kind}"
    )
    unfinished = int((~times.loc[times["kind"].isin([REAL, kind]), "reached"]).sum())
    label: Kind = "paper" if kind == RANDX else "ours"
    return Finding(
        what[sweep],
        decide(difference.low > 0),
        f"{factors}; difference of logarithms {_show(difference)}; {unfinished} networks not done at the limit",
        "figure 5" if label == "paper" else "",
        explanation="in few dimensions the inputs of noise are far apart, and soon told from each other",
        kind=label,
    )


def _patterns_first(table: pd.DataFrame) -> Finding:
    rows = table[(table["kind"] == RANDY) & (table["level"] == WRONG)]
    logs = []
    falls = []
    for _, history in rows.groupby("run_id"):
        best = epoch_of_best_validation(history)
        fit = epoch_of_fit(history, HIGH_ACCURACY)
        # A train accuracy that is not reached comes after every epoch.
        logs.append(np.log2(best / min(fit, 2 * history["epoch"].max())))
        falls.append(history["validation_accuracy"].max() - history["validation_accuracy"].iloc[-1])
    order = mean_of(logs)
    fall = mean_of(falls)
    return Finding(
        "With random labels, validation accuracy peaks before the labels are fitted",
        decide(order.high < 0 and fall.low > 0),
        f"log2 of the epoch of the peak over that of the fit {_show(order)}; validation accuracy then falls by "
        f"{_show(fall, 'seed', '.3f')}",
        "figure 8",
    )


def _dropout(tradeoffs: pd.DataFrame, other: str) -> Finding:
    def least(regularizer: str) -> "pd.Series[float]":
        rows = tradeoffs[tradeoffs["regularizer"] == regularizer]
        return pd.Series({seed: memorized_at_no_cost(own, TOLERANCE) for seed, own in rows.groupby("seed")})

    dropout = least("dropout")
    others = least(other)
    difference = mean_of((others - dropout).tolist())
    kind: Kind = "ours" if other == EARLY else "paper"
    return Finding(
        f"Dropout hinders memorization more than {other} at equal validation accuracy",
        decide(difference.low > 0),
        f"least train accuracy on random labels: dropout {dropout.mean():.2f}, {other} {others.mean():.2f}; difference "
        f"{_show(difference)}",
        "figure 7" if kind == "paper" else "",
        explanation="dropout that leaves real data alone leaves small networks room for random labels, too",
        kind=kind,
    )
