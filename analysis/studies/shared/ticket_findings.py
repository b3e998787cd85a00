"""Findings on lottery tickets: speed and accuracy beside dense networks and controls."""

import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.seed_means import SeedMean, show_interval
from benevolent.analysis.studies.shared.ticket_values import (
    DENSE,
    Kind,
    difference,
    first_recorded,
    nearest_fraction,
    ratio,
)

#: Fractions of weights left at which the source states its results for LeNet.
FASTEST = 0.211
MOST_ACCURATE = 0.135
SMALLEST = 0.036
#: "Less than 10-20% of the size": the source's abstract; of Conv-2, -4 and -6 too.
SMALL = 0.1
#: Accuracy that a network may lose and still count as equal.
TOLERANCE = 0.005


def _kind(values: pd.DataFrame, control: str, fraction: float) -> Kind:
    return Kind(control, nearest_fraction(values, control, fraction))


def _sooner(
    claim: str, values: pd.DataFrame, first: Kind, second: Kind, paper: str = "", explanation: str = ""
) -> Finding:
    """Return the finding that networks of the first kind stop earlier than those of the second."""
    times = ratio(values, "iteration", first, second)
    evidence = f"{first.left:.1%} of weights: early-stop iteration × {show_interval(times, '.2f')}"
    return Finding(claim, decide(times.high < 1 if times.seeds > 1 else None), evidence, paper, explanation=explanation)


def _better(
    claim: str, values: pd.DataFrame, first: Kind, second: Kind, paper: str = "", explanation: str = ""
) -> Finding:
    """Return the finding that networks of the first kind are more accurate than those of the second."""
    gain = difference(values, "accuracy", first, second)
    evidence = f"{_smaller(first, second):.1%} of weights: accuracy {_points(gain)}"
    return Finding(claim, decide(gain.low > 0 if gain.seeds > 1 else None), evidence, paper, explanation=explanation)


def _smaller(first: Kind, second: Kind) -> float:
    return min(first.left, second.left)


def _points(gain: SeedMean) -> str:
    """Return a difference of accuracies in percentage points, with its interval."""
    in_points = SeedMean(100 * gain.value, 100 * gain.low, 100 * gain.high, gain.seeds)
    return f"{show_interval(in_points)} points"


def speed_and_accuracy(lenet: pd.DataFrame) -> list[Finding]:
    """Return the findings on winning tickets and dense networks."""
    fastest = _kind(lenet, "ticket", FASTEST)
    best = _kind(lenet, "ticket", MOST_ACCURATE)
    tenth = _kind(lenet, "ticket", SMALL)
    gain = difference(lenet, "accuracy", tenth, DENSE)
    times = ratio(lenet, "iteration", tenth, DENSE)
    matches = gain.low > -TOLERANCE and times.high < 1
    is_worse = gain.high < -TOLERANCE or times.low > 1
    return [
        _sooner("Winning tickets learn faster than the dense network", lenet, fastest, DENSE, "38% earlier at 21.1%"),
        _better(
            "Winning tickets reach a higher test accuracy than the dense network",
            lenet,
            best,
            DENSE,
            "0.3 points higher at 13.5%",
            "with few seeds a gain of 0.3 points cannot be told from none",
        ),
        Finding(
            "A ticket with a tenth of the weights matches the dense network",
            decide(matches if matches or is_worse else None),
            f"{tenth.left:.1%} of weights: accuracy {_points(gain)}, early-stop iteration × "
            f"{show_interval(times, '.2f')}",
            "down to 3.6%",
        ),
    ]


def other_initial_weights(lenet: pd.DataFrame) -> list[Finding]:
    """Return the findings on sparse networks with other initial weights."""
    ticket = _kind(lenet, "ticket", FASTEST)
    reinit = _kind(lenet, "reinit", FASTEST)
    random = _kind(lenet, "random_mask", FASTEST)
    return [
        _sooner("Tickets learn faster than when reinitialized", lenet, ticket, reinit, "2.51 times faster at 21.1%"),
        _better("Tickets are more accurate than when reinitialized", lenet, ticket, reinit, "0.5 points at 21.1%"),
        _better(
            "Reinitialized tickets lose accuracy where winning tickets do not",
            lenet,
            DENSE,
            reinit,
            "below the dense network from 21.1%, tickets from 2.9%",
            "the penalty for other initial weights is small where many weights are left",
        ),
        _sooner("Tickets learn faster than random sparse networks", lenet, ticket, random, "figure 1"),
        _better("Tickets are more accurate than random sparse networks", lenet, ticket, random, "figure 1"),
    ]


def iterative_pruning(lenet: pd.DataFrame) -> list[Finding]:
    """Return the finding on pruning in several rounds and at once."""
    iterative = _kind(lenet, "ticket", SMALLEST)
    one_shot = _kind(lenet, "one-shot", SMALLEST)
    return [
        _better(
            "Iterative pruning finds better small tickets than one-shot pruning",
            lenet,
            iterative,
            one_shot,
            "as accurate as the dense network down to 3.6%, one-shot to 5.2%",
            "where few weights have to go, one round of pruning finds them as well",
        )
    ]


def convolutional_networks(values: pd.DataFrame) -> list[Finding]:
    """Return the findings on one convolutional network."""
    name = values["model"].iloc[0]
    ticket = _kind(values, "ticket", SMALL)
    reinit = _kind(values, "reinit", SMALL)
    return [
        _sooner(f"{name}: winning tickets learn faster than the dense network", values, ticket, DENSE, "figure 5"),
        _better(f"{name}: winning tickets are more accurate", values, ticket, DENSE, "figure 5"),
        _better(f"{name}: tickets are more accurate than when reinitialized", values, ticket, reinit, "figure 5"),
    ]


def controls(lenet: pd.DataFrame) -> list[Finding]:
    """Return the findings on controls that the source does not have."""
    step = first_recorded(lenet)
    fastest = _kind(lenet, "ticket", FASTEST)
    start = difference(lenet, f"accuracy_after_{step}", fastest, DENSE)
    ticket = _kind(lenet, "ticket", SMALL)
    shuffle = _kind(lenet, "shuffle", SMALL)
    reinit = _kind(lenet, "reinit", SMALL)
    sizes = difference(lenet, "accuracy", shuffle, reinit)
    places = difference(lenet, "accuracy", ticket, shuffle)
    findings = [
        Finding(
            "Tickets are ahead from the first iterations on",
            decide(start.low > 0 if start.seeds > 1 else None),
            f"{fastest.left:.1%} of weights: accuracy after {step} iterations {_points(start)}",
            explanation="an early stop may also be early because overfitting begins early",
        ),
        Finding(
            "The sizes of the kept initial weights do not explain the tickets",
            decide(places.low > 0 if places.seeds > 1 else None),
            f"{ticket.left:.1%} of weights: accuracy {_points(places)} over the same weights shuffled within each "
            f"layer; shuffled over reinitialized {_points(sizes)}",
            explanation="pruning keeps weights that start large, wherever they are",
        ),
        _better(
            "The mask alone is worth something: reinitialized tickets beat random masks",
            lenet,
            _kind(lenet, "reinit", SMALLEST),
            _kind(lenet, "random_mask", SMALLEST),
            explanation="only the initial weights count",
        ),
    ]
    return [finding._replace(kind="ours") for finding in findings]
