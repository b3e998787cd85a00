"""One trial of a module before it is trained: its outputs, its random numbers, what it counts."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.layer_types import is_batch_norm


@dataclass(frozen=True)
class ModuleProbe:
    """Facts about a module that show only when it runs in training.

    Attributes:
        draws: True if it draws from torch's generator, in a layer such as dropout or by a function.
        counters: names of the integer buffers that it changes, and on which its outputs may depend.
        changes_inputs: True if its forward pass changes the inputs, so that it has to get a copy.
    """

    draws: bool = False
    counters: frozenset[str] = frozenset()
    changes_inputs: bool = False


def probe_module(module: nn.Module, where: str, input_shape: tuple[int, ...], outputs: int) -> ModuleProbe:
    """Run a module on two inputs, in training and in eval mode, and leave it in eval mode, otherwise unchanged.

    Args:
        module: to be tried.
        where: the field that names it, to begin an error line with.
        input_shape: of one input.
        outputs: number of its outputs.

    Raises:
        BadInput: it fails, gives something else than logits `(2, outputs)`, gives different ones for the same inputs
            in eval mode, or draws random numbers that no seed of a run decides.
    """
    state = {name: value.clone() for name, value in module.state_dict().items()}
    buffers = dict(module.named_buffers())
    integers = {name: value.clone() for name, value in buffers.items() if not value.is_floating_point()}
    foreign_state = _foreign_generators()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            inputs = torch.randn(2, *input_shape)
            generator = torch.get_rng_state()
            given = inputs.clone()
            in_training = module.train()(given)
            draws = not torch.equal(generator, torch.get_rng_state())
            module.eval()
            changes_inputs = not torch.equal(given, inputs)
            logits = module(inputs.clone())
            repeated = module(inputs.clone())
    except Exception as error:  # whatever the user's module raises
        raise BadInput(f"{where}: fails on inputs of shape {(2, *input_shape)}: {error}") from error
    counters = [name for name, value in integers.items() if not torch.equal(value, module.get_buffer(name))]
    module.load_state_dict(state)
    for mode, result in (("in training", in_training), ("in eval mode", logits)):
        _check_outputs(result, f"{where}: {mode}", outputs)
    if not torch.equal(logits, repeated):
        raise BadInput(f"{where}: gives other outputs for the same inputs, although it is in eval mode")
    if _foreign_generators() != foreign_state:
        raise BadInput(f"{where}: draws random numbers from Python's or numpy's generator; expected torch's")
    read_counters = frozenset(name for name in counters if not _ignores_counter(module, name))
    return ModuleProbe(draws, read_counters, changes_inputs)


def _foreign_generators() -> tuple[object, bytes, int]:
    """Return the state of the random generators that no run's seed reaches."""
    name, keys, position, *_ = np.random.get_state()  # noqa: NPY002 (the global generator, which a module may use)
    return random.getstate(), np.asarray(keys).tobytes(), int(position)


def _check_outputs(logits: object, where: str, outputs: int) -> None:
    if not isinstance(logits, Tensor):
        raise BadInput(f"{where}, gives {type(logits).__name__} for 2 inputs, expected a tensor (2, {outputs})")
    if tuple(logits.shape) != (2, outputs):
        raise BadInput(f"{where}, gives outputs of shape {tuple(logits.shape)} for 2 inputs, expected (2, {outputs})")


def _ignores_counter(module: nn.Module, name: str) -> bool:
    """Return True for the number of batches of a BatchNorm layer that averages with momentum."""
    layer = module.get_submodule(name.rpartition(".")[0])
    return is_batch_norm(layer) and layer.momentum is not None
