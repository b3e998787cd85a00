"""A module as a function of K networks' tensors, if `trainables.stack.layers` knows the batched form of all its layers."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from benevolent.trainables.stack.layers import BATCHED, COMPOSED, STORED, Mode, Tensors


class Batched:
    """A module in batched form.

    Args:
        module: its layers are all in `BATCHED`, possibly inside of `nn.Sequential` or what `COMPOSED` names.
        prefix: of the names of its tensors.
    """

    def __init__(self, module: nn.Module, prefix: str = "") -> None:
        self.layer, self.kind = module, type(module)
        # Not `named_children`, which leaves out a module, such as one ReLU, that is there for the second time.
        children = {name: child for name, child in module._modules.items() if child is not None}
        self.children = {name: Batched(child, f"{prefix}{name}.") for name, child in children.items()}
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        self.names = {name: f"{prefix}{name}" for name, tensor in own if tensor.is_floating_point()}

    def stored(self) -> set[str]:
        """The tensors that are taken in their stored form."""
        own = set(self.names.values()) if self.kind in STORED else set()
        return own.union(*(child.stored() for child in self.children.values()))

    def __call__(self, tensors: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
        """The outputs `(K, N, ...)` of K networks on inputs `(K, N, ...)`; tensors by their full names."""
        if self.kind is nn.Sequential:
            for child in self.children.values():
                inputs = child(tensors, inputs, mode)
            return inputs
        if self.kind in COMPOSED:
            parts = {n: (lambda x, child=child: child(tensors, x, mode)) for n, child in self.children.items()}
            return COMPOSED[self.kind](parts, inputs)
        own = {name: tensors[full] for name, full in self.names.items()}
        return BATCHED[self.kind](self.layer, own, inputs, mode)


def is_batched(module: nn.Module) -> bool:
    """Whether `Batched` can run a module: it knows all layers, and none with tensors is there twice."""
    if any(
        len(list(named(remove_duplicate=False))) > len(list(named()))
        for named in (module.named_parameters, module.named_buffers)
    ):
        return False
    if type(module) is nn.Sequential or type(module) in COMPOSED:
        return all(is_batched(child) for child in module.children())
    return type(module) in BATCHED and not any(
        isinstance(module, kind) and special(module) for kind, special in _SPECIAL.items()
    )


#: What a layer may be set to that its batched form does not do.
_SPECIAL: dict[type[nn.Module], Callable[[Any], bool]] = {
    nn.Flatten: lambda layer: layer.start_dim != 1 or layer.end_dim != -1,
    nn.Unflatten: lambda layer: not isinstance(layer.dim, int) or layer.dim < 1,
    nn.Conv2d: lambda layer: layer.padding_mode != "zeros" or isinstance(layer.padding, str),
    nn.MaxPool2d: lambda layer: layer.return_indices,
    nn.BatchNorm1d: lambda layer: layer.momentum is None,
    nn.BatchNorm2d: lambda layer: layer.momentum is None,
}
