"""One point near a network at which its derivatives are compared with differences of its outputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad, vjp

from benevolent.analysis.measures.difference_quotient import agreement
from benevolent.trainables.errors import one_line

#: `(parameters, inputs (n, *input_shape)) -> logits (n, C)`.
LogitsOf = Callable[[Mapping[str, Tensor], Tensor], Tensor]

#: Distance of a point from the network's own, in standard deviations of the inputs and of every parameter tensor.
AWAY = 0.1
#: Smallest distance, for what is zero.
LEAST_AWAY = 1e-3
#: Half the length of a central difference, and the disagreement that counts as rounding, relative to the slopes.
PRECISE = (1e-6, 1e-3)
#: The same of modules that compute in float32 whatever they are given.
ROUNDED = (1e-2, 0.3)


@dataclass(frozen=True)
class TrialAnswer:
    """What one point says about derivatives.

    Attributes:
        reason: why they are missing or wrong; None if they are right.
        is_certain: False if another point may say otherwise.
    """

    reason: str | None
    is_certain: bool = True


@dataclass(frozen=True)
class DerivativeTrial:
    """One point at which mixtures of the logits are differentiated.

    Attributes:
        logits_of: the network.
        point: parameters near those of the network, by name.
        inputs: `(n, *input_shape)`, near some examples.
        mixture: weights `(n, C)` of the logits in the number that is differentiated.
        length: half the length of a central difference.
        tolerance: disagreement that counts as rounding, relative to the slopes.
        rng: of directions.
    """

    logits_of: LogitsOf
    point: Mapping[str, Tensor]
    inputs: Tensor
    mixture: Tensor
    length: float
    tolerance: float
    rng: torch.Generator

    def total(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Return the sum of the mixtures of all examples."""
        return (self.logits_of(parameters, inputs) * self.mixture).sum()

    def slopes(self) -> TrialAnswer:
        """Compare the slopes by the inputs."""
        direction = torch.randn(self.inputs.shape, generator=self.rng).to(self.inputs)

        def along(distance: float) -> Tensor:
            return self.total(self.point, self.inputs + distance * direction)

        return self._compare(lambda: grad(self.total, argnums=1)(self.point, self.inputs), direction, along, "inputs")

    def gradients(self) -> TrialAnswer:
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
        """Return the reason why torch has no second derivatives by the parameters; None if it has."""

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
    ) -> TrialAnswer:
        """Compare a gradient with differences along a direction."""
        try:
            slopes = gradient().double().flatten()
        except Exception as error:  # whatever a module's own backward pass raises
            return TrialAnswer(_failure("derivatives", error))
        found = agreement(slopes, direction.double().flatten(), along, self.length, self.tolerance)
        if found.is_right:
            return TrialAnswer(None, found.is_certain)
        reason = f"needs derivatives of the outputs by the {by}; automatic differentiation gives others"
        return TrialAnswer(reason, found.is_certain)


def trial_at(
    logits_of: LogitsOf, parameters: Mapping[str, Tensor], examples: Tensor, seed: int
) -> DerivativeTrial | None:
    """Return the trial at the point of a seed; None if the network cannot be evaluated there.

    The trial is in float64, or for modules that refuse that, in the precision of their own.

    Args:
        logits_of: the network.
        parameters: of the network, by name.
        examples: some inputs, `(n, *input_shape)`; integers stay as they are.
        seed: of the point, the mixture of the logits and the directions.
    """
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
    return DerivativeTrial(logits_of, point, inputs, mixture, length, tolerance, rng)


def _logits(logits_of: LogitsOf, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor | None:
    try:
        return logits_of(parameters, inputs)
    except Exception:  # whatever the module raises
        return None


def _near(value: Tensor, rng: torch.Generator) -> Tensor:
    size = float(value.std(correction=0)) if value.numel() > 1 else float(value.abs().sum())
    noise = torch.randn(value.shape, generator=rng, dtype=torch.float64).to(value.device)
    return value + max(AWAY * size, LEAST_AWAY) * noise


def _failure(which: str, error: Exception) -> str:
    return f"needs {which}, and torch fails: {one_line(error)}"
