"""Curves between two networks that are fitted to a low loss along them (Garipov et al. 2018)."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from benevolent.analysis.multi_run.examples import Examples
from benevolent.analysis.multi_run.parameter_path import ParameterPath, State, linear_path, train_batch_norms_only
from benevolent.trainables.errors import BadInput, did_you_mean
from benevolent.trainables.optimization.losses import LOSSES, Loss
from benevolent.trainables.rng import generator


def fit_curve(
    first: nn.Module,
    second: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    masks: Mapping[str, Tensor] | None = None,
    loss: str = "cross_entropy",
    margin: float = 1.0,
    steps: int = 1000,
    lr: float = 0.05,
    batch_size: int = 128,
    random_seed: int = 0,
) -> ParameterPath:
    """Fit a curve between two networks by minimizing the mean loss along it, E_t L(theta(t)), t uniform on [0, 1].

    Source: Garipov et al. 2018, "Loss surfaces, mode connectivity, and fast ensembling of DNNs", equation 2. SGD with
    momentum 0.9 on the bend, starting from the straight path; every step draws a t and a batch. The learning rate falls
    to zero as a cosine. Noise layers and dropout are off, BatchNorm uses each batch's statistics. Frozen parameters
    stay on the straight path, unless all are frozen; so do pruned weights.

    Args:
        first: any module; not changed.
        second: a module of the same architecture.
        inputs: `(N, *input_shape)`.
        labels: `(N,)`, as the loss takes them.
        masks: booleans by name of a parameter, False where it is pruned in both networks; see `Results.masks`.
        loss: a name in `trainables.optimization.losses.LOSSES`.
        margin: of the hinge loss.
        steps: number of steps.
        lr: learning rate at the start.
        batch_size: examples per step, drawn with replacement.
        random_seed: of batches and positions.

    Raises:
        BadInput: an unknown loss; tensors that differ; no parameters.
    """
    path = linear_path(first, second)
    bend = _trainable_bend(path, first)
    masks = masks or {}
    pruned = {name: mask for name, mask in masks.items() if name in bend}
    module = copy.deepcopy(path.module)
    train_batch_norms_only(module)

    def outputs(tensors: State, batch: Tensor) -> Tensor:
        return functional_call(module, tensors, (batch,))

    function = find_loss(loss, margin).function
    examples = (inputs, labels)
    sgd = _Sgd(steps, lr, batch_size, random_seed)
    fitted = _fit(path, bend, outputs, examples, function, pruned, sgd)
    return replace(path, bend=fitted)


def fit_curves(  # noqa: D417, the other arguments are documented once
    pairs: Sequence[tuple[nn.Module, nn.Module]],
    inputs: Tensor,
    labels: Tensor,
    *,
    loss: str = "cross_entropy",
    margin: float = 1.0,
    steps: int = 1000,
    lr: float = 0.05,
    batch_size: int = 128,
    random_seed: int = 0,
) -> list[ParameterPath]:
    """Fit a curve between the networks of each of K pairs, all at once: faster than `fit_curve` for each.

    Every pair sees the same positions and batches, and gets the curve that `fit_curve` would give it. The other
    arguments are those of `fit_curve`.

    Args:
        pairs: networks of one architecture, without buffers; all of their parameters are trained.

    Raises:
        BadInput: as `fit_curve`, or the networks have buffers, such as those of BatchNorm.
    """
    paths = [linear_path(*pair) for pair in pairs]
    module = paths[0].module
    if any(True for _ in module.buffers()):
        raise BadInput(f"{type(module).__name__}: has buffers; fit its curves one by one")
    ends = [_stacked([path.first for path in paths]), _stacked([path.second for path in paths])]
    together = ParameterPath(module, ends[0], _stacked([path.bend for path in paths]), ends[1])
    if not together.bend:
        raise BadInput(f"{type(module).__name__}: has no parameters, so no curve can be fitted")
    for value in together.bend.values():
        value.requires_grad_()

    def outputs(tensors: State, batch: Tensor) -> Tensor:
        return vmap(lambda own: functional_call(module, own, (batch,)))(tensors)

    function = find_loss(loss, margin).function
    examples = (inputs, labels)
    sgd = _Sgd(steps, lr, batch_size, random_seed)
    bend = _fit(together, together.bend, outputs, examples, function, {}, sgd)
    fitted = []
    for place, path in enumerate(paths):
        own = {name: value[place] for name, value in bend.items()}
        fitted.append(replace(path, bend=own))
    return fitted


class _Sgd(NamedTuple):
    """SGD on a bend: steps, learning rate at the start, examples per step, and the seed of batches and positions."""

    steps: int
    lr: float
    batch_size: int
    random_seed: int


def _stacked(states: Sequence[State]) -> State:
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


def _fit(
    path: ParameterPath,
    bend: State,
    outputs: Callable[[State, Tensor], Tensor],
    examples: Examples,
    function: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    pruned: Mapping[str, Tensor],
    sgd: _Sgd,
) -> State:
    """Return the bend of a path, or of several with a leading axis, after SGD on some of its tensors.

    Args:
        path: its bend is changed.
        bend: the tensors of the bend to train.
        outputs: function of tensors and inputs `(B, ...)`, gives `(B, C)` or, for several paths, `(K, B, C)`.
        examples: inputs and labels.
        function: loss and derivative.
        pruned: masks of tensors of the bend, False where they stay.
        sgd: the steps to take.
    """
    inputs, labels = examples
    optimizer = torch.optim.SGD(list(bend.values()), sgd.lr, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, sgd.steps)
    for step in range(sgd.steps):
        rng = generator(sgd.random_seed, "across/curve", step)
        drawn = rng.integers(len(labels), size=sgd.batch_size)
        batch = torch.from_numpy(drawn).to(labels.device)
        logits = outputs(path.tensors(rng.random()), inputs[batch])
        optimizer.zero_grad()
        _, derivative = function(logits.detach(), labels[batch].expand(logits.shape[:-1]))
        logits.backward(derivative / sgd.batch_size)
        for name, mask in pruned.items():
            bend[name].grad *= mask  # type: ignore[operator]
        optimizer.step()
        schedule.step()
    return {name: value.detach() for name, value in path.bend.items()}


def _trainable_bend(path: ParameterPath, first: nn.Module) -> State:
    """Let the tensors of the bend require gradients: of the parameters that do in `first`, or of all if none does."""
    requires_grad = {name: value.requires_grad for name, value in first.named_parameters()}
    all_frozen = not any(requires_grad.values())
    bend = {}
    for name, trained in requires_grad.items():
        if trained or all_frozen:
            bend[name] = path.bend[name].requires_grad_()
    if not bend:
        raise BadInput(f"{type(first).__name__}: has no parameters, so no curve can be fitted")
    return bend


def find_loss(name: str, margin: float) -> Loss:
    """Return a loss by its name."""
    if name not in LOSSES:
        raise BadInput(f"loss = {name!r}: unknown" + did_you_mean(name, LOSSES))
    return LOSSES[name].having(margin)
