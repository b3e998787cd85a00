"""The loss along a path between two networks, and how high it rises (Garipov et al. 2018; Frankle et al. 2020).

path = segment(first, second)                          # or fitted_curve(first, second, inputs, labels)
table = loss_along(path, {"train": (inputs, labels)})
barrier(table["train_loss"])
barrier(loss_between(results, run_id, other_run_id, curved=True)["test_error"])
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.func import functional_call

from benevolent.analysis.multi_run.trained import EXAMPLES_PER_PASS, Examples, examples, outputs
from benevolent.analysis.results import Results
from benevolent.trainables import data
from benevolent.trainables.config.base import did_you_mean
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import generator
from benevolent.trainables.stack import network
from benevolent.trainables.stack.layer_types import BatchNorm, is_batch_norm
from benevolent.trainables.training.losses import LOSSES, Loss, mistakes

Tensors = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Path:
    """theta(t) = (1 - t)^2 first + 2 t (1 - t) bend + t^2 second, a quadratic Bezier curve for t in [0, 1].

    With the bend halfway between the ends it is the segment (1 - t) first + t second.

    Attributes:
        module: the architecture; what is no floating-point number in its state is that of the first network.
        first: floating-point parameters and buffers by name.
        bend: of the same names and shapes.
        second: the same.
    """

    module: nn.Module
    first: Tensors
    bend: Tensors
    second: Tensors

    def tensors(self, t: float) -> Tensors:
        """theta(t)."""
        weights = (1 - t) ** 2, 2 * t * (1 - t), t**2
        ends = self.first, self.bend, self.second
        return {name: sum(w * one[name] for w, one in zip(weights, ends, strict=True)) for name in self.first}  # type: ignore[misc]

    def network(self, t: float, inputs: Tensor) -> nn.Module:
        """The network at a place of the path, in eval mode.

        Args:
            t: in [0, 1].
            inputs: `(N, *input_shape)`, of which the statistics of BatchNorm are taken anew, at the ends too: between
                two networks neither's are right (Garipov et al. 2018, section 4).
        """
        made = copy.deepcopy(self.module)
        made.load_state_dict(self.tensors(t), strict=False)
        norms = _batch_norms_train(made)
        if norms:
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # the mean over batches
            with torch.no_grad():
                for rows in inputs.tensor_split(
                    math.ceil(len(inputs) / EXAMPLES_PER_PASS)
                ):  # equal ones: equal weights
                    made(rows)
        return made.eval()


def segment(first: nn.Module, second: nn.Module) -> Path:
    """The straight path between two networks.

    Args:
        first: any module; not changed.
        second: of the same architecture, so that its tensors go into the first one's forward pass.

    Raises:
        BadInput: names or shapes of their tensors differ.
    """
    ends = [
        {name: value.detach().clone() for name, value in one.state_dict().items() if value.is_floating_point()}
        for one in (first, second)
    ]
    shapes = [{name: tuple(value.shape) for name, value in end.items()} for end in ends]
    for name in {**shapes[0], **shapes[1]}:
        if shapes[0].get(name) != shapes[1].get(name):
            own, other = (shape.get(name, "absent") for shape in shapes)
            raise BadInput(f"tensor {name!r} is {own} in the first network and {other} in the second; expected equals")
    middle = {name: (value + ends[1][name]) / 2 for name, value in ends[0].items()}
    return Path(copy.deepcopy(first), ends[0], middle, ends[1])


def fitted_curve(
    first: nn.Module,
    second: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    loss: str = "cross_entropy",
    margin: float = 1.0,
    steps: int = 1000,
    lr: float = 0.05,
    batch_size: int = 128,
    random_seed: int = 0,
) -> Path:
    """The curve between two networks whose bend minimizes the mean loss along it, E_t L(theta(t)), t uniform on [0, 1].

    Garipov et al. 2018, equation 2: SGD with momentum 0.9 from the segment on; every step draws a t and a batch. The
    learning rate falls to zero as a cosine. Noise layers and dropout are off, BatchNorm takes each batch's statistics.
    Frozen parameters stay on the segment, unless all are frozen; what is zero at both ends (pruned weights) stays zero.

    Args:
        first: any module; not changed.
        second: of the same architecture.
        inputs: `(N, *input_shape)`.
        labels: `(N,)`, as the loss takes them.
        loss: a name in `trainables.training.losses.LOSSES`.
        margin: of the hinge loss.
        steps: how many.
        lr: learning rate at the start.
        batch_size: examples a step, drawn with replacement.
        random_seed: of batches and places.

    Raises:
        BadInput: an unknown loss; tensors that differ; no parameters.
    """
    path, function = segment(first, second), _loss(loss, margin).function
    names = {name: value.requires_grad for name, value in first.named_parameters()}
    bend = {name: path.bend[name].requires_grad_() for name, own in names.items() if own or not any(names.values())}
    if not bend:
        raise BadInput(f"{type(first).__name__}: has no parameters, so no curve can be fitted")
    free = {name: (path.first[name] != 0) | (path.second[name] != 0) for name in bend}
    module = copy.deepcopy(path.module)
    _batch_norms_train(module)
    optimizer = torch.optim.SGD(list(bend.values()), lr, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        draw = generator(random_seed, "across/curve", step)
        index = torch.from_numpy(draw.integers(len(labels), size=batch_size)).to(labels.device)
        logits = functional_call(module, path.tensors(draw.random()), (inputs[index],))
        optimizer.zero_grad()
        logits.backward(function(logits.detach(), labels[index])[1] / batch_size)
        for name, value in bend.items():
            value.grad *= free[name]  # type: ignore[operator]
        optimizer.step()
        schedule.step()
    return replace(path, bend={name: value.detach() for name, value in path.bend.items()})


def loss_along(
    path: Path,
    splits: Mapping[str, Examples],
    *,
    loss: str = "cross_entropy",
    margin: float = 1.0,
    points: int = 31,
) -> pd.DataFrame:
    """Loss and error at equal steps along a path.

    Args:
        path: between two networks.
        splits: inputs `(N, *input_shape)` and labels `(N,)` by name; those of `train`, or of the first if there is no
            such, give the statistics of BatchNorm.
        loss: a name in `trainables.training.losses.LOSSES`.
        margin: of the hinge loss.
        points: how many places, the ends among them; 31 as Frankle et al. 2020 take 30 steps.

    Returns:
        Index `t` from 0 to 1; columns `<split>_loss` (mean) and `<split>_error` (fraction of wrong examples, of real
        targets the mean absolute error).

    Raises:
        BadInput: an unknown loss, no split, or fewer than two points.
    """
    function = _loss(loss, margin).function
    if points < 2 or not splits:
        raise BadInput(f"points = {points}, {len(splits)} splits: expected at least two points and one split")
    for_statistics = splits.get("train", next(iter(splits.values())))[0]
    places, rows = np.linspace(0, 1, points), []
    for t in places.tolist():
        made, row = path.network(t, for_statistics), {}
        for name, (inputs, labels) in splits.items():
            logits = outputs(made, inputs)
            row[f"{name}_loss"] = function(logits, labels)[0].double().mean().item()
            row[f"{name}_error"] = mistakes(logits, labels).mean().item()
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(places, name="t"))


def loss_between(
    results: Results,
    first: str,
    second: str,
    *,
    curved: bool = False,
    points: int = 31,
    **fit: int | float,
) -> pd.DataFrame:
    """`loss_along` the path between two runs, on all splits of the first one and by its loss.

    Args:
        results: that hold them.
        first: a run's id.
        second: another one's, of the same architecture.
        curved: along the curve fitted to the training split instead of the segment.
        points: how many places.
        fit: `steps`, `lr`, `batch_size`, `random_seed` of `fitted_curve`; the batch size is the run's own by default.

    Raises:
        BadInput: no such run, no parameters of it, or different architectures.
    """
    config, other = (results.config(run_id) for run_id in (first, second))
    models = [set(one.model.identity("model", shared_only=True)) for one in (config, other)]  # dropout may differ
    if models[0] != models[1]:
        raise BadInput(
            f"runs {first} and {second} differ in {', '.join(sorted(models[0] ^ models[1]))}; no path joins them"
        )
    start, end, splits = results.network(first), results.network(second), examples(results, first)
    trained = network.for_run(config, data.describe(config.data)).shapes
    for name, value in start.named_parameters():
        value.requires_grad_(name in trained)
    loss: dict[str, Any] = {"loss": config.loss.name, "margin": config.loss.margin}
    own: dict[str, Any] = {"batch_size": config.optimizer.examples_per_step(config.data.train_size)}
    path = fitted_curve(start, end, *splits["train"], **loss | own | fit) if curved else segment(start, end)
    return loss_along(path, splits, points=points, **loss)


def barrier(values: pd.Series) -> float:
    """How high a path rises over the chord of its ends: max_t v(t) - ((1 - t) v(0) + t v(1)); at least 0.

    Frankle et al. 2020 (section 2) and Draxler et al. 2018 compare the highest loss or error with that of the ends;
    over the chord, ends that differ are no barrier by themselves.

    Args:
        values: a column of `loss_along`, with t from 0 to 1 as its index; NaN anywhere gives NaN.

    >>> barrier(pd.Series([0.2, 0.9, 0.4], index=[0.0, 0.5, 1.0]))
    0.6
    """
    t, v = values.index.to_numpy(dtype=float), values.to_numpy(dtype=float)
    return float(np.max(v - ((1 - t) * v[0] + t * v[-1])))


def _loss(name: str, margin: float) -> Loss:
    if name not in LOSSES:
        raise BadInput(f"loss = {name!r}: unknown" + did_you_mean(name, LOSSES))
    return LOSSES[name].having(margin)


def _batch_norms_train(module: nn.Module) -> list[BatchNorm]:
    """Put a network in eval mode but for BatchNorm that keeps statistics, which is given back."""
    norms = [part for part in module.eval().modules() if is_batch_norm(part) and part.track_running_stats]
    for norm in norms:
        norm.train()
    return norms
