"""Trials of a network's derivatives, before measures rely on them.

Derivatives by automatic differentiation are not always those of the outputs: a part of a network may run without
gradients, be detached, or have a backward pass of its own, such as the straight-through estimator of rounding. So they
are compared with central differences, in float64, at a point near the network's own one where no unit is at its kink,
and at further points where that one shows nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain

from torch import Tensor

from benevolent.analysis.measures.derivative_trial import DerivativeTrial, LogitsOf, TrialAnswer, trial_at

#: Upper bounds on the examples of a trial, and on their activations together where there are several examples: products
#: in float64 are slow, and those of one large image fill gigabytes.
EXAMPLES = 4
ACTIVATIONS = 2**20
#: Seeds of the points.
POINTS = (0, 1, 2)


@dataclass(frozen=True)
class Derivatives:
    """Reasons why derivatives are missing or are not those of the outputs; None where all is well.

    Attributes:
        no_slopes: of the logits by the inputs.
        no_gradients: of the logits by the parameters.
        no_curvature: second ones by the parameters.
        first_carries_inputs: True if the inputs reach the logits through the first layer alone, once: their slopes are
            those by its bias, pulled back through its weights.
    """

    no_slopes: str | None = None
    no_gradients: str | None = None
    no_curvature: str | None = None
    first_carries_inputs: bool = True


def try_derivatives(
    logits_of: LogitsOf,
    parameters: Mapping[str, Tensor],
    examples: Tensor,
    first_layer: tuple[str, str | None] | None,
    activations: int,
) -> Derivatives:
    """Try the derivatives of a network.

    Args:
        logits_of: the network.
        parameters: its trained parameters, by name.
        examples: some inputs `(n, *input_shape)`.
        first_layer: names of bias and weights of a dense first layer, see `Architecture.first_layer`.
        activations: number of numbers that the layers compute for one example.
    """
    fitting = max(1, ACTIVATIONS // activations)
    few = examples[: min(EXAMPLES, fitting)]
    first = trial_at(logits_of, parameters, few, POINTS[0])
    if first is None:  # the network takes no other parameters than its own
        return Derivatives()

    def why_not(compare: Callable[[DerivativeTrial], TrialAnswer]) -> str | None:
        """Compare at one point after another until one is certain; else return the first reason that one gave."""
        further = (trial_at(logits_of, parameters, few, seed) for seed in POINTS[1:])
        reason = None
        for trial in chain([first], further):
            if trial is None:  # the network can be evaluated at the first point, but not at this one
                continue
            answer = compare(trial)
            if answer.is_certain:
                return answer.reason
            reason = reason or answer.reason
        return reason

    return Derivatives(
        no_slopes=why_not(DerivativeTrial.slopes) if few.is_floating_point() else None,
        no_gradients=why_not(DerivativeTrial.gradients),
        no_curvature=first.why_no_curvature(),
        first_carries_inputs=first_layer is None or first.first_carries_inputs(*first_layer),
    )
