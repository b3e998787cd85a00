"""One trial of a module before it is trained: its outputs, its random numbers, what it counts and keeps."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benevolent.trainables.errors import BadInput, one_line
from benevolent.trainables.stack.layer_types import is_batch_norm
from benevolent.trainables.stack.module_calls import load_tensors, named_tensors
from benevolent.trainables.stack.module_trial import ModuleTrial, equal_outputs, try_module

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
        trial = try_module(module, before, input_shape)
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


def _refusal(module: nn.Module, trial: ModuleTrial, outputs: int) -> str | None:
    """Return what is wrong with a module; None if a sweep can train it."""
    for mode, result in (("in training", trial.in_training), ("in eval mode", trial.in_eval_mode)):
        if line := _unexpected(result, outputs):
            return f"{mode}, gives {line}"
    if not equal_outputs(trial.in_eval_mode, trial.repeated):
        return UNREPEATABLE
    if trial.foreign:
        return "draws random numbers from Python's or numpy's generator; expected torch's"
    if trial.kept is not None:
        return (
            f"a forward pass changes its attribute {trial.kept!r}, on which outputs depend, and which no checkpoint "
            "keeps; expected a buffer"
        )
    if not equal_outputs(trial.in_training, trial.once_more):
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
