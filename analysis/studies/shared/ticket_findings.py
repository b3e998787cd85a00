"""Findings on lottery tickets: speed and accuracy beside dense networks and controls."""

import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
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

#: Claims of the findings.
TENTH_MATCHES = StudyClaim(
    "A ticket with a tenth of the weights matches the dense network", "down to 3.5%, in the submitted version"
)
AHEAD_AT_ONCE = StudyClaim(
    "Tickets are ahead from the first iterations on",
    explanation="an early stop may also be early because overfitting begins early",
    kind="ours",
)
NOT_THE_SIZES = StudyClaim(
    "The sizes of the kept initial weights do not explain the tickets",
    explanation="pruning keeps weights that start large, wherever they are",
    kind="ours",
)
FASTER_THAN_DENSE = StudyClaim(
    "Winning tickets learn faster than the dense network", "27% faster at 21.1%, in the submitted version"
)
BETTER_THAN_DENSE = StudyClaim(
    "Winning tickets reach a higher test accuracy than the dense network",
    "0.4 points higher at 17%, in the submitted version",
    "with few seeds so small a gain cannot be told from none",
)
FASTER_THAN_REINITIALIZED = StudyClaim(
    "Tickets learn faster than when reinitialized", "2.44 times faster at 21%, in the submitted version"
)
BETTER_THAN_REINITIALIZED = StudyClaim("Tickets are more accurate than when reinitialized", "0.5 points at 21%")
REINITIALIZED_LOSE = StudyClaim(
    "Reinitialized tickets lose accuracy where winning tickets do not",
    "below the dense network from 26.3%, tickets from 2.9%, in the submitted version",
    "the penalty for other initial weights is small where many weights are left",
)
FASTER_THAN_RANDOM = StudyClaim("Tickets learn faster than random sparse networks", "figure 1")
BETTER_THAN_RANDOM = StudyClaim("Tickets are more accurate than random sparse networks", "figure 1")
ITERATIVE = StudyClaim(
    "Iterative pruning finds better small tickets than one-shot pruning",
    "smaller tickets match the dense network: down to 3.5%, in the submitted version",
    "where few weights have to go, one round of pruning finds them as well",
)

#: Claims about each convolutional network.
CONV_FASTER = StudyClaim("winning tickets learn faster than the dense network", "figure 5")
CONV_BETTER = StudyClaim("winning tickets are more accurate", "figure 5")
CONV_REINITIALIZED = StudyClaim("tickets are more accurate than when reinitialized", "figure 5")
MASK_ALONE = StudyClaim(
    "The mask alone is worth something: reinitialized tickets beat random masks",
    explanation="only the initial weights count",
    kind="ours",
)


def _kind(values: pd.DataFrame, control: str, fraction: float) -> Kind:
    return Kind(control, nearest_fraction(values, control, fraction))


def _sooner(claim: StudyClaim, values: pd.DataFrame, first: Kind, second: Kind) -> Finding:
    """Return the finding that networks of the first kind stop earlier than those of the second."""
    times = ratio(values, "iteration", first, second)
    evidence = f"{first.left:.1%} of weights: early-stop iteration × {show_interval(times, '.2f')}"
    return claim.decide(times.high < 1 if times.seeds > 1 else None, evidence)


def _better(claim: StudyClaim, values: pd.DataFrame, first: Kind, second: Kind) -> Finding:
    """Return the finding that networks of the first kind are more accurate than those of the second."""
    gain = difference(values, "accuracy", first, second)
    fewest = min(first.left, second.left)
    return claim.decide(_is_gain(gain), f"{fewest:.1%} of weights: accuracy {_points(gain)}")


def _is_gain(gain: SeedMean) -> bool | None:
    """Return whether an interval lies above 0; None with fewer than two seeds."""
    return gain.low > 0 if gain.seeds > 1 else None


def _points(gain: SeedMean) -> str:
    """Return a difference of accuracies in percentage points, with its interval."""
    in_points = SeedMean(100 * gain.value, 100 * gain.low, 100 * gain.high, gain.seeds)
    return f"{show_interval(in_points)} points"


def speed_and_accuracy(lenet: pd.DataFrame) -> list[Finding]:
    """Return the findings on winning tickets and dense networks."""
    fastest = _kind(lenet, "ticket", FASTEST)
    best = _kind(lenet, "ticket", MOST_ACCURATE)
    return [
        _sooner(FASTER_THAN_DENSE, lenet, fastest, DENSE),
        _better(BETTER_THAN_DENSE, lenet, best, DENSE),
        _tenth_matches(lenet),
    ]


def _tenth_matches(lenet: pd.DataFrame) -> Finding:
    tenth = _kind(lenet, "ticket", SMALL)
    gain = difference(lenet, "accuracy", tenth, DENSE)
    times = ratio(lenet, "iteration", tenth, DENSE)
    matches = gain.low > -TOLERANCE and times.high < 1
    is_worse = gain.high < -TOLERANCE or times.low > 1
    holds = matches if matches or is_worse else None
    shown = f"accuracy {_points(gain)}, early-stop iteration × {show_interval(times, '.2f')}"
    return TENTH_MATCHES.decide(holds, f"{tenth.left:.1%} of weights: {shown}")


def other_initial_weights(lenet: pd.DataFrame) -> list[Finding]:
    """Return the findings on sparse networks with other initial weights."""
    ticket = _kind(lenet, "ticket", FASTEST)
    reinit = _kind(lenet, "reinit", FASTEST)
    random = _kind(lenet, "random_mask", FASTEST)
    return [
        _sooner(FASTER_THAN_REINITIALIZED, lenet, ticket, reinit),
        _better(BETTER_THAN_REINITIALIZED, lenet, ticket, reinit),
        _better(REINITIALIZED_LOSE, lenet, DENSE, reinit),
        _sooner(FASTER_THAN_RANDOM, lenet, ticket, random),
        _better(BETTER_THAN_RANDOM, lenet, ticket, random),
    ]


def iterative_pruning(lenet: pd.DataFrame) -> Finding:
    """Return the finding on pruning in several rounds and at once."""
    iterative = _kind(lenet, "ticket", SMALLEST)
    one_shot = _kind(lenet, "one-shot", SMALLEST)
    return _better(ITERATIVE, lenet, iterative, one_shot)


def convolutional_networks(values: pd.DataFrame) -> list[Finding]:
    """Return the findings on one convolutional network."""
    name = str(values["model"].iloc[0])
    ticket = _kind(values, "ticket", SMALL)
    reinit = _kind(values, "reinit", SMALL)
    return [
        _sooner(CONV_FASTER.about(name), values, ticket, DENSE),
        _better(CONV_BETTER.about(name), values, ticket, DENSE),
        _better(CONV_REINITIALIZED.about(name), values, ticket, reinit),
    ]


def controls(lenet: pd.DataFrame) -> list[Finding]:
    """Return the findings on controls that the source does not have."""
    reinit = _kind(lenet, "reinit", SMALLEST)
    random = _kind(lenet, "random_mask", SMALLEST)
    return [_ahead_at_once(lenet), _not_the_sizes(lenet), _better(MASK_ALONE, lenet, reinit, random)]


def _ahead_at_once(lenet: pd.DataFrame) -> Finding:
    step = first_recorded(lenet)
    fastest = _kind(lenet, "ticket", FASTEST)
    start = difference(lenet, f"accuracy_after_{step}", fastest, DENSE)
    evidence = f"{fastest.left:.1%} of weights: accuracy after {step} iterations {_points(start)}"
    return AHEAD_AT_ONCE.decide(_is_gain(start), evidence)


def _not_the_sizes(lenet: pd.DataFrame) -> Finding:
    ticket = _kind(lenet, "ticket", SMALL)
    shuffle = _kind(lenet, "shuffle", SMALL)
    reinit = _kind(lenet, "reinit", SMALL)
    sizes = difference(lenet, "accuracy", shuffle, reinit)
    places = difference(lenet, "accuracy", ticket, shuffle)
    shuffled = f"accuracy {_points(places)} over the same weights shuffled within each layer"
    evidence = f"{ticket.left:.1%} of weights: {shuffled}; shuffled over reinitialized {_points(sizes)}"
    return NOT_THE_SIZES.decide(_is_gain(places), evidence)
