"""Trials of a network's derivatives, before measures rely on them.

Derivatives by automatic differentiation are not always those of the outputs: a part of a network may run without
gradients, be detached, or have a backward pass of its own, such as the straight-through estimator of rounding. So they
are compared with central differences, in float64, at a point near the network's own one where no unit is at its kink,
and at further points where that one shows nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad, vjp

from benevolent.analysis.measures.difference_quotient import agreement
from benevolent.trainables.errors import one_line

#: `(parameters, inputs (n, *input_shape)) -> logits (n, C)`.
LogitsOf = Callable[[Mapping[str, Tensor], Tensor], Tensor]

#: Upper bounds on the examples of a trial, and on their activations together where there are several examples: products
#: in float64 are slow, and those of one large image fill gigabytes.
EXAMPLES = 4
ACTIVATIONS = 2**20
#: Seeds of the points.
POINTS = (0, 1, 2)
#: Distance of a point from the network's own, in standard deviations of the inputs and of every parameter tensor.
AWAY = 0.1
#: Smallest distance, for what is zero.
LEAST_AWAY = 1e-3
#: Half the length of a central difference, and the disagreement that counts as rounding, relative to the slopes.
PRECISE = (1e-6, 1e-3)
#: The same of modules that compute in float32 whatever they are given.
ROUNDED = (1e-2, 0.3)


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
    first = _trial(logits_of, parameters, few, POINTS[0])
    if first is None:  # the network takes no other parameters than its own
        return Derivatives()

    def why_not(compare: "Callable[[_Trial], _Answer]") -> str | None:
        """Compare at one point after the other until one is certain."""
        answer = compare(first)
        reason = answer.reason
        for seed in POINTS[1:]:
            if answer.is_certain:
                break
            trial = _trial(logits_of, parameters, few, seed)
            assert trial is not None
            answer = compare(trial)
            reason = answer.reason if answer.is_certain else reason or answer.reason
        return reason

    return Derivatives(
        no_slopes=why_not(_Trial.slopes) if few.is_floating_point() else None,
        no_gradients=why_not(_Trial.gradients),
        no_curvature=first.why_no_curvature(),
        first_carries_inputs=first_layer is None or first.first_carries_inputs(*first_layer),
    )


def _trial(logits_of: LogitsOf, parameters: Mapping[str, Tensor], examples: Tensor, seed: int) -> "_Trial | None":
    """Return the trial at the point of a seed; None if the network cannot be evaluated there."""
    rng = torch.Generator().manual_seed(seed)
    point = {name: _near(value.double(), rng) for name, value in parameters.items()}
    inputs = _near(examples.double(), rng) if examples.is_floating_point() else examples
    length, tolerance = PRECISE
    logits = _logits(logits_of, point, inputs)
    if logits is None:  # the module has a precision of its own
        point = {name: value.to(parameters[name].dtype) for name, value in point.items()}
        inputs = inputs.to(examples.dtype)
        length, tolerance = ROUNDED
        logits = _logits(logits_of, point, inputs)
    if logits is None:
        return None
    mixture = torch.randn(logits.shape, generator=rng).to(logits)
    return _Trial(logits_of, point, inputs, mixture, length, tolerance, rng)


def _logits(logits_of: LogitsOf, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor | None:
    try:
        return logits_of(parameters, inputs)
    except Exception:  # whatever the module raises
        return None


def _near(value: Tensor, rng: torch.Generator) -> Tensor:
    size = float(value.std(correction=0)) if value.numel() > 1 else float(value.abs().sum())
    noise = torch.randn(value.shape, generator=rng, dtype=torch.float64).to(value.device)
    return value + max(AWAY * size, LEAST_AWAY) * noise


@dataclass(frozen=True)
class _Answer:
    """The reason why derivatives are missing or wrong, if they are; uncertain if other points may say otherwise."""

    reason: str | None
    is_certain: bool = True


@dataclass(frozen=True)
class _Trial:
    """One point at which mixtures of the logits are differentiated."""

    logits_of: LogitsOf
    point: Mapping[str, Tensor]
    inputs: Tensor
    mixture: Tensor
    length: float
    tolerance: float
    rng: torch.Generator

    def total(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        return (self.logits_of(parameters, inputs) * self.mixture).sum()

    def slopes(self) -> _Answer:
        """Compare the slopes by the inputs."""
        direction = torch.randn(self.inputs.shape, generator=self.rng).to(self.inputs)

        def along(distance: float) -> Tensor:
            return self.total(self.point, self.inputs + distance * direction)

        return self._compare(lambda: grad(self.total, argnums=1)(self.point, self.inputs), direction, along, "inputs")

    def gradients(self) -> _Answer:
        """Compare the slopes by the parameters."""
        directions = {
            name: torch.randn(value.shape, generator=self.rng).to(value) for name, value in self.point.items()
        }
        directions = {name: value * self._size(name) for name, value in directions.items()}

        def along(distance: float) -> Tensor:
            moved = {name: value + distance * directions[name] for name, value in self.point.items()}
            return self.total(moved, self.inputs)

        def gradient() -> Tensor:
            slopes = grad(self.total)(dict(self.point), self.inputs)
            return torch.cat([slope.double().flatten() for slope in slopes.values()])

        direction = torch.cat([value.double().flatten() for value in directions.values()])
        return self._compare(gradient, direction, along, "parameters")

    def why_no_curvature(self) -> str | None:
        def gradient(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
            result: dict[str, Tensor] = grad(self.total)(parameters, self.inputs)
            return result

        point = dict(self.point)
        try:
            vjp(gradient, point)[1](point)
        except Exception as error:  # whatever a module's own backward pass raises
            return _failure("second derivatives", error)
        return None

    def first_carries_inputs(self, bias_name: str, weight_name: str | None) -> bool:
        """Return True if, for each example, d f / d x = W1^T d f / d b1."""
        if bias_name not in self.point or (weight_name is not None and weight_name not in self.point):
            return False
        try:
            slopes = grad(self.total, argnums=1)(self.point, self.inputs).flatten(1)
            rows = [self._bias_gradient(bias_name, row) for row in range(len(self.inputs))]
        except Exception:  # then there are no slopes either
            return False
        bias_gradients = torch.stack(rows)
        pulled_back = bias_gradients if weight_name is None else bias_gradients @ self.point[weight_name]
        if pulled_back.shape != slopes.shape:
            return False
        difference = (pulled_back - slopes).abs().amax()
        return bool(difference <= self.tolerance * slopes.abs().amax())

    def _bias_gradient(self, name: str, row: int) -> Tensor:
        def total_of_row(bias: Tensor) -> Tensor:
            logits = self.logits_of({**self.point, name: bias}, self.inputs[row : row + 1])
            return (logits * self.mixture[row]).sum()

        slopes: Tensor = grad(total_of_row)(self.point[name])
        return slopes

    def _size(self, name: str) -> float:
        value = self.point[name]
        return float(value.square().mean().sqrt()) if value.numel() else 0.0

    def _compare(
        self, gradient: Callable[[], Tensor], direction: Tensor, along: Callable[[float], Tensor], by: str
    ) -> _Answer:
        """Compare a gradient with differences along a direction."""
        try:
            slopes = gradient().double().flatten()
        except Exception as error:  # whatever a module's own backward pass raises
            return _Answer(_failure("derivatives", error))
        found = agreement(slopes, direction.double().flatten(), along, self.length, self.tolerance)
        if found.is_right:
            return _Answer(None, found.is_certain)
        reason = f"needs derivatives of the outputs by the {by}; automatic differentiation gives others"
        return _Answer(reason, found.is_certain)


def _failure(which: str, error: Exception) -> str:
    return f"needs {which}, and torch fails: {one_line(error)}"
