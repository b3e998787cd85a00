"""Sharpness as the rise of the training loss in the worst direction near the parameters.

Radii are those that the papers' optimizers use. A maximum found by gradient ascent is a lower bound of the true one.
"""

import torch
from torch import Tensor

from benevolent.analysis.measures.measured_network import MeasuredNetwork
from benevolent.analysis.measures.training_loss import gradient_at, loss_at, own_gradient, theta

#: Radius of the ball.
RADIUS = 0.05
#: Radius of the ball in which every parameter is measured by its magnitude.
ADAPTIVE_RADIUS = 0.5
#: Steps of gradient ascent for the worst case.
STEPS = 10


def sam_sharpness(network: MeasuredNetwork) -> Tensor:
    """The rise of the training loss L after one step up: L(theta + r g / ||g||) - L(theta), r = 0.05."""
    return _largest_rise(network, torch.ones_like(theta(network)), RADIUS, 1)


def asam_sharpness(network: MeasuredNetwork) -> Tensor:
    """The same scale-free: L(theta + r T^2 g / ||T g||) - L(theta), with T = diag |theta| and r = 0.5."""
    return _largest_rise(network, theta(network).abs(), ADAPTIVE_RADIUS, 1)


def worst_case_sharpness(network: MeasuredNetwork) -> Tensor:
    """The largest rise of the training loss in a ball: max L(theta + d) - L(theta), ||d|| <= 0.05; 10 steps of ascent.

    A step goes the radius far along the normalized gradient and back to the ball; the best of the points counts.
    """
    return _largest_rise(network, torch.ones_like(theta(network)), RADIUS, STEPS)


def adaptive_worst_case_sharpness(network: MeasuredNetwork) -> Tensor:
    """The same scale-free: max L(theta + T d) - L(theta), T = diag |theta|, ||d|| <= 0.5; 10 steps of ascent."""
    return _largest_rise(network, theta(network).abs(), ADAPTIVE_RADIUS, STEPS)


def _largest_rise(network: MeasuredNetwork, scale: Tensor, radius: float, steps: int) -> Tensor:
    """Return the largest rise of the loss at theta + scale * u over the points u of an ascent in a ball of a radius."""
    at = theta(network)
    tiny = torch.finfo(at.dtype).tiny
    moved = torch.zeros_like(at)
    losses = []
    for step in range(steps):
        uphill, loss = gradient_at(network, at + scale * moved) if step else own_gradient(network)
        losses.append(loss)
        uphill = scale * uphill
        slope = uphill.norm().clamp(min=tiny)
        moved = moved + radius * uphill / slope
        shrinkage = radius / moved.norm().clamp(min=tiny)
        moved = moved * shrinkage.clamp(max=1)
    losses.append(loss_at(network, at + scale * moved))
    return torch.stack(losses[1:]).amax() - losses[0]
