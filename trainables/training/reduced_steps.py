"""Statistics of some consecutive steps of one network."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class ReducedSteps:
    """Some consecutive steps of one epoch, as `Dynamics.add` takes them; see `StepStatistics` for the attributes."""

    loss: Tensor
    derivative: Tensor
    noise: Tensor
    signal: Tensor
    gradient: Tensor
    update: Tensor
    bias_gradient: Tensor
    bias_update: Tensor
    bias_product: Tensor
    bias_mean: Tensor
    bias_deviation: Tensor
    bias_first: Tensor
    bias_last: Tensor
    count: int
