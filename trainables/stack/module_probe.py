"""One trial of a module before it is trained: its outputs, its random numbers, what it counts and keeps."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benevolent.trainables.errors import BadInput, one_line
from benevolent.trainables.stack.computed_weights import load_tensors, named_tensors
from benevolent.trainables.stack.layer_types import is_batch_norm

#: Difference of logits, as a part of the largest, that counts as rounding.
ROUNDING = 1e-3
#: What an error line says of a module whose outputs cannot be repeated.
UNREPEATABLE = "gives other outputs for the same inputs, although it is in eval mode"


@dataclass(frozen=True)
class ModuleProbe:
    """Facts about a module that show only when it runs.

    Attributes:
        draws: True if it draws from torch's generator in training, in a layer such as dropout or by a function.
        counters: names of the integer buffers that it changes in training, and on which its outputs may depend.
        changes_inputs: True if its forward pass changes the inputs, so that it has to get a copy.
        changes_in_eval: True if it changes buffers in eval mode, too, so that these have to be copies.
    """

    draws: bool = False
    counters: frozenset[str] = frozenset()
    changes_inputs: bool = False
    changes_in_eval: bool = False


@dataclass(frozen=True)
class _Trial:
    """Results of forward passes on the same two inputs.

    Attributes:
        in_training: of a pass in training.
        once_more: of another one, from the same buffers and the same state of torch's generator.
        in_eval_mode: of a pass in eval mode.
        repeated: of another one.
        alone: of the two inputs one after the other, in eval mode; None if that fails.
        draws, changes_inputs, changes_in_eval: see `ModuleProbe`.
        changed: names of the parameters and buffers that training changes.
        kept: name of an attribute that is another one after the second pass in training; None if there is none.
        foreign: True if other random generators than torch's were used.
    """

    in_training: Any
    once_more: Any
    in_eval_mode: Any
    repeated: Any
    alone: Tensor | None
    draws: bool
    changes_inputs: bool
    changes_in_eval: bool
    changed: frozenset[str]
    kept: str | None
    foreign: bool


def probe_module(module: nn.Module, where: str, input_shape: tuple[int, ...], outputs: int) -> ModuleProbe:
    """Run a module on two inputs, in training and in eval mode, and leave it in eval mode, otherwise unchanged.

    Args:
        module: to be tried.
        where: the field that names it, to begin an error line with.
        input_shape: of one input.
        outputs: number of its outputs.

    Raises:
        BadInput: a parameter is complex or has a hook; the module fails, gives something else than logits
            `(2, outputs)`, depends on something else than its inputs, parameters, buffers and torch's random numbers,
            or changes its parameters; or, in eval mode, gives different logits for the same inputs, or logits that
            depend on the other inputs of a batch.
    """
    for name, value in module.named_parameters():
        if value.is_complex():
            raise BadInput(f"{where}: the parameter {name!r} is complex; expected real parameters")
        if value._backward_hooks or value._post_accumulate_grad_hooks:
            raise BadInput(f"{where}: the parameter {name!r} has a hook, which a stack does not call; expected none")
    before = {name: value.clone() for name, value in named_tensors(module).items()}
    try:
        trial = _try(module, before, input_shape)
    except Exception as error:  # whatever the user's module raises
        raise BadInput(f"{where}: fails on inputs of shape {(2, *input_shape)}: {one_line(error)}") from error
    finally:
        load_tensors(module, before)
        module.eval()
    if line := _refusal(module, trial, outputs):
        raise BadInput(f"{where}: {line}")
    integers = [name for name in trial.changed if not before[name].is_floating_point()]
    counters = frozenset(name for name in integers if not _ignores_counter(module, name))
    return ModuleProbe(trial.draws, counters, trial.changes_inputs, trial.changes_in_eval)


@torch.no_grad()
def _try(module: nn.Module, before: dict[str, Tensor], input_shape: tuple[int, ...]) -> _Trial:
    foreign_state = _foreign_generators()
    with torch.random.fork_rng(devices=[]):
        inputs = torch.randn(2, *input_shape)
        generator = torch.get_rng_state()
        given = inputs.clone()
        in_training = module.train()(given)
        draws = not torch.equal(generator, torch.get_rng_state())
        changed = _changed(module, before)
        attributes = _attributes(module)
        load_tensors(module, before)
        torch.set_rng_state(generator)
        once_more = module(inputs.clone())
        kept = _first_difference(attributes, _attributes(module))
        load_tensors(module, before)
        given_again = inputs.clone()
        in_eval_mode = module.eval()(given_again)
        repeated = module(inputs.clone())
        alone = _one_by_one(module, inputs)
        changes_in_eval = bool(_changed(module, before))
    return _Trial(
        in_training=in_training,
        once_more=once_more,
        in_eval_mode=in_eval_mode,
        repeated=repeated,
        alone=alone,
        draws=draws,
        changes_inputs=not (torch.equal(given, inputs) and torch.equal(given_again, inputs)),
        changes_in_eval=changes_in_eval,
        changed=changed,
        kept=kept,
        foreign=_foreign_generators() != foreign_state,
    )


def _one_by_one(module: nn.Module, inputs: Tensor) -> Tensor | None:
    try:
        return torch.cat([module(each.unsqueeze(0).clone()) for each in inputs])
    except (RuntimeError, TypeError, ValueError):  # such as batch statistics of one input
        return None


def _refusal(module: nn.Module, trial: _Trial, outputs: int) -> str | None:
    """Return what is wrong with a module; None if a sweep can train it."""
    for mode, result in (("in training", trial.in_training), ("in eval mode", trial.in_eval_mode)):
        if line := _unexpected(result, outputs):
            return f"{mode}, gives {line}"
    if not _equal(trial.in_eval_mode, trial.repeated):
        return UNREPEATABLE
    if trial.foreign:
        return "draws random numbers from Python's or numpy's generator; expected torch's"
    if trial.kept is not None:
        return f"a forward pass changes its attribute {trial.kept!r}, which no checkpoint keeps; expected a buffer"
    if not _equal(trial.in_training, trial.once_more):
        return (
            "in training, gives other outputs for the same inputs and the same state of torch's generator; expected "
            "no generator of its own, and no memory but buffers"
        )
    if trial.alone is None or not _close(trial.in_eval_mode, trial.alone):
        return (
            "in eval mode, its outputs for an input depend on the other inputs of the batch; expected that input only"
        )
    for name, _ in module.named_parameters():
        if name in trial.changed:
            return f"a forward pass changes its parameter {name!r}; expected that only the optimizer does"
    return None


def _foreign_generators() -> tuple[object, bytes, int]:
    """Return the state of the random generators that no run's seed reaches."""
    name, keys, position, *_ = np.random.get_state()  # noqa: NPY002 (the global generator, which a module may use)
    return random.getstate(), np.asarray(keys).tobytes(), int(position)


def _changed(module: nn.Module, before: dict[str, Tensor]) -> frozenset[str]:
    """Return the names of the parameters and buffers that are not as before."""
    return frozenset(name for name, value in named_tensors(module).items() if not torch.equal(value, before[name]))


def _attributes(module: nn.Module) -> dict[str, object]:
    """Return the numbers and tensors that the parts of a module hold beside their parameters and buffers."""
    found: dict[str, object] = {}
    for prefix, part in module.named_modules():
        for name, value in vars(part).items():
            if isinstance(value, bool | int | float):
                found[f"{prefix}.{name}".lstrip(".")] = value
            elif isinstance(value, Tensor):
                found[f"{prefix}.{name}".lstrip(".")] = value.detach().clone()
    return found


def _first_difference(before: dict[str, object], after: dict[str, object]) -> str | None:
    """Return the name of an attribute that has another value than before; None if there is none."""
    for name, value in after.items():
        if not _equal(before.get(name, value), value):
            return name
    return None


def _equal(first: object, second: object) -> bool:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first.shape == second.shape and torch.equal(first.nan_to_num(), second.nan_to_num())
    return first is second or first == second


def _unexpected(logits: object, outputs: int) -> str | None:
    """Describe outputs that are not logits `(2, outputs)`; return None if they are."""
    if not isinstance(logits, Tensor):
        return f"{type(logits).__name__} for 2 inputs, expected a tensor (2, {outputs})"
    if tuple(logits.shape) != (2, outputs):
        return f"outputs of shape {tuple(logits.shape)} for 2 inputs, expected (2, {outputs})"
    return None


def _close(first: Tensor, second: Tensor) -> bool:
    """Return True if logits are equal up to rounding."""
    tolerance = ROUNDING * float(first.abs().nan_to_num().amax()) + ROUNDING**2
    return first.shape == second.shape and torch.allclose(first, second, rtol=0, atol=tolerance, equal_nan=True)


def _ignores_counter(module: nn.Module, name: str) -> bool:
    """Return True for the number of batches of a BatchNorm layer that averages with momentum."""
    layer = module.get_submodule(name.rpartition(".")[0])
    return is_batch_norm(layer) and layer.momentum is not None
