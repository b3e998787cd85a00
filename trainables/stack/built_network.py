"""The network of a run or of a `model:` section, tried before it is trained."""

import torch
from torch import nn

from benevolent.trainables.config.base import Section
from benevolent.trainables.config.run import RunSections
from benevolent.trainables.data import Dataset, Task
from benevolent.trainables.errors import BadInput
from benevolent.trainables.models import MODELS
from benevolent.trainables.models.forest import Forest
from benevolent.trainables.optimization.losses import LOSSES
from benevolent.trainables.stack.computed_weights import computed_weights
from benevolent.trainables.stack.module_probe import probe_module
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.trial_step import check_step


def for_run(config: RunSections, about: Task | Dataset) -> Network:
    """Return the network of a run on a data set, with as many outputs as its loss takes: one per class, or one.

    Args:
        config: of the run.
        about: the data set, or its description before it is read.

    Raises:
        BadInput: see `build`.
    """
    outputs = LOSSES[config.loss.name].outputs(about.classes)
    return build(config.model, about.input_shape, outputs, config.optimizer.arithmetic)


def plain_module(config: Section, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return a fresh module of a `model:` section, its parameters as the builder left them."""
    arguments = config.model_dump()
    builder = MODELS[arguments.pop("family")]
    return builder(input_shape, outputs, **arguments)


def build(config: Section, input_shape: tuple[int, ...], outputs: int, arithmetic: str = "full") -> Network:
    """Return the network of a `model:` section, tried once on two inputs.

    Raises:
        BadInput: the module cannot be built, run or trained in a stack, has nothing to train, gives logits of an
            unexpected shape, or different ones for the same inputs (see `probe_module` and `check_step`).
    """
    where = f"model.path = {config.path!r}" if hasattr(config, "path") else f"model.family = {config.family!r}"  # type: ignore[attr-defined]
    try:
        module = _constructed(config, input_shape, outputs, torch_seed=0)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise BadInput(f"{where}: its parameters do not fit in the memory of this machine") from None
    trains = any(parameter.requires_grad for parameter in module.parameters())
    if not trains and not isinstance(module, Forest):
        raise BadInput(f"{where}: has no parameters to train")
    probe = probe_module(module, where, input_shape, outputs)
    kept: set[str] = set()
    if hasattr(config, "path") and not config.redraw:  # type: ignore[attr-defined]
        kept = _set_by_constructor(module, _constructed(config, input_shape, outputs, torch_seed=1))
    network = Network(module, outputs, arithmetic, probe, kept)
    if network.batched is None and network.size:
        check_step(network, where, input_shape)
    return network


def _constructed(config: Section, input_shape: tuple[int, ...], outputs: int, torch_seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # constructors draw weights
        torch.manual_seed(torch_seed)
        return plain_module(config, input_shape, outputs)


def _set_by_constructor(module: nn.Module, other: nn.Module) -> set[str]:
    """Return the names of parameters and computed weights that are frozen, or equal with another seed of torch."""
    others = dict(other.named_parameters())
    names = set()
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad or torch.equal(parameter, others[name]):
            names.add(name)
    for weight in computed_weights(module):
        frozen = not any(module.get_parameter(name).requires_grad for name in weight.sources)
        if frozen or torch.equal(weight.value(module), weight.value(other)):
            names.add(weight.name)
    return names


def is_out_of_memory(error: BaseException) -> bool:
    """Return True for the errors that torch and Python raise when memory is short, on a CPU or a GPU."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("allocate memory" in text or "out of memory" in text)
