"""A module as a function of K networks' tensors, if all of its layers have a batched form."""

from functools import partial

from torch import Tensor, nn

from benevolent.trainables.stack.layer_types import CONTAINERS, layer_type
from benevolent.trainables.stack.layers import Mode, Tensors
from benevolent.trainables.stack.own_code import is_changed


class BatchedModule:
    """A module in batched form.

    Args:
        module: one for which `is_batched` is true.
        prefix: beginning of the names of its tensors.
    """

    def __init__(self, module: nn.Module, prefix: str = "") -> None:
        self.layer = module
        self.kind = type(module)
        self.facts = layer_type(module)
        self.children: dict[str, BatchedModule] = {}
        for name, child in module.named_modules(remove_duplicate=False):  # one ReLU may be used several times
            is_child = name and "." not in name
            if is_child:
                self.children[name] = BatchedModule(child, f"{prefix}{name}.")
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        self.full_names = {name: f"{prefix}{name}" for name, tensor in own if tensor.is_floating_point()}

    def stored_names(self) -> set[str]:
        """Return the names of the tensors that are taken in their stored form."""
        names = set(self.full_names.values()) if self.facts.stored_weights else set()
        for child in self.children.values():
            names |= child.stored_names()
        return names

    def __call__(self, tensors: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
        """Return the outputs `(K, N, ...)` of K networks on inputs `(K, N, ...)`; tensors by their full names."""
        if self.kind is nn.Sequential:
            for child in self.children.values():
                inputs = child(tensors, inputs, mode)
            return inputs
        if self.kind in CONTAINERS:
            children = {name: partial(child.on_inputs, tensors, mode) for name, child in self.children.items()}
            return CONTAINERS[self.kind](children, inputs)
        own = {name: tensors[full] for name, full in self.full_names.items()}
        assert self.facts.batched is not None
        return self.facts.batched(self.layer, own, inputs, mode)

    def on_inputs(self, tensors: Tensors, mode: Mode, inputs: Tensor) -> Tensor:
        """Return the outputs as a call does, with the inputs as the last argument."""
        return self(tensors, inputs, mode)


def is_batched(module: nn.Module) -> bool:
    """Return True if `BatchedModule` can run a module.

    All layers are batched, none has hooks or a forward pass of its own, and none with tensors occurs twice.
    """
    if is_changed(module):
        return False
    for named in (module.named_parameters, module.named_buffers):
        if len(list(named(remove_duplicate=False))) > len(list(named())):
            return False
    if type(module) is nn.Sequential or type(module) in CONTAINERS:
        return all(is_batched(child) for child in module.children())
    facts = layer_type(module)
    return facts.batched is not None and facts.settings_batched(module)
