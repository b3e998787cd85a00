"""Findings on what networks gain by stopping where their validation loss is smallest."""

import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.random_labels_runs import by_network, show_each

#: Gain of test accuracy below which stopping early is said to gain nothing.
NO_GAIN = 0.02
#: Corruption at which stopping early should gain.
HALF_RANDOM = 0.5

#: Claims of the findings.
STOPPING_GAINS_NOTHING = StudyClaim("On CIFAR-10 stopping early gains nothing", "no potential benefit is observed")
STOPPING_GAINS_WITH_NOISE = StudyClaim(
    "With half of the labels random, stopping early does gain",
    explanation="the few examples with true labels have not been learned yet where the validation loss is smallest",
    kind="ours",
)


def stopping_gain(rows: pd.DataFrame) -> float:
    """Return the test accuracy at the smallest validation loss, less that at the end."""
    return float((rows["early"] - rows["test"]).mean())


def stopping_gains_nothing(networks: pd.DataFrame) -> Finding:
    """Ask whether networks with true labels gain no test accuracy by stopping early."""
    gains = by_network(networks, stopping_gain, (-1, 1))
    holds: bool | None = None
    if any(gain.low > NO_GAIN for gain in gains.values()):
        holds = False
    elif all(gain.high < NO_GAIN for gain in gains.values()):
        holds = True
    return STOPPING_GAINS_NOTHING.decide(holds, f"test accuracy gained: {show_each(gains, '+.3f')}")


def stopping_gains_with_noise(networks: pd.DataFrame) -> Finding:
    """Ask whether networks gain test accuracy by stopping early, with `HALF_RANDOM` of the labels random."""
    gains = by_network(networks, stopping_gain, (-1, 1))
    holds = all(gain.low > 0 for gain in gains.values())
    return STOPPING_GAINS_WITH_NOISE.decide(holds, f"test accuracy gained: {show_each(gains, '+.3f')}")
