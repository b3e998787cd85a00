"""Trials of a network's derivatives, before measures rely on them.

Derivatives by automatic differentiation are not always those of the outputs: a part of a network may run without
gradients, be detached, or have a backward pass of its own, such as the straight-through estimator of rounding. So they
are compared with central differences, in float64, at a point near the network's own one where no unit is at its kink,
and at further points where that one shows nothing. Those of a sequence of torch's own layers are known to be right.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain

from torch import Tensor, nn

from benevolent.analysis.measures.derivative_trial import DerivativeTrial, LogitsOf, TrialAnswer, trial_at
from benevolent.analysis.measures.effective_weights import has_hooks
from benevolent.trainables.stack.layer_types import flattens_everything
from benevolent.trainables.stack.own_code import is_changed

#: Upper bounds on the examples of a trial, and on their activations together where there are several examples: products
#: in float64 are slow, and those of one large image fill gigabytes.
EXAMPLES = 4
ACTIVATIONS = 2**20
#: Seeds of the points.
POINTS = (0, 1, 2)
#: Layers of torch whose derivatives are those of their outputs, the second ones, too.
DIFFERENTIABLE = (
    *(nn.Linear, nn.Conv2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.MaxPool2d),
    *(nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.GELU),
    *(nn.Flatten, nn.Identity),
)


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
    module: nn.Module | None = None,
) -> Derivatives:
    """Try the derivatives of a network, unless they are known to be right.

    Args:
        logits_of: the network.
        parameters: its trained parameters, by name.
        examples: some inputs `(n, *input_shape)`.
        first_layer: names of bias and weights of a dense first layer, see `Architecture.first_layer`.
        activations: number of numbers that the layers compute for one example.
        module: that computes the logits, if it is known.
    """
    if module is not None and _is_known(module, examples, first_layer is not None):
        return Derivatives()
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


def _is_known(module: nn.Module, examples: Tensor, has_dense_first_layer: bool) -> bool:
    """Return True for a sequence of layers whose derivatives are right; a dense first one reads the inputs themselves.

    Any code of a user's own, or a tensor that two layers share, makes it unknown.
    """
    parameters = [parameter for _, parameter in module.named_parameters(remove_duplicate=False)]
    is_shared = len(parameters) > len(list(module.parameters()))
    if is_shared or any(type(parameter) is not nn.Parameter for parameter in parameters):
        return False
    for part in module.modules():
        if type(part) not in (nn.Sequential, *DIFFERENTIABLE) or is_changed(part) or has_hooks(part):
            return False
    return not has_dense_first_layer or _first_reads_vectors(module, examples)


def _first_reads_vectors(module: nn.Module, examples: Tensor) -> bool:
    """Return True if the first layers of a sequence make at most a vector of each example, and the next is dense."""
    are_vectors = examples.ndim == 2
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            return are_vectors
        if isinstance(layer, nn.Flatten) and flattens_everything(layer):
            are_vectors = True
        elif not isinstance(layer, nn.Sequential | nn.Identity):
            return False
    return False
