"""Parameters that a watched loop trains."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.optim import Optimizer

from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.module_structure import first_layer


@dataclass(frozen=True)
class WatchedParameters:
    """The parameters that a watched loop trains, in the module's order.

    Attributes:
        names: their names.
        values: the parameters themselves.
        initial: their values at the random initialization; None if these are the present ones.
        first_bias: position of the first layer's bias; None if there is none, or it is not trained.
        group: number of the optimizer's group that has the first layer's bias, else of the first group.
    """

    names: tuple[str, ...]
    values: tuple[Tensor, ...]
    initial: tuple[Tensor, ...] | None
    first_bias: int | None
    group: int

    @classmethod
    def of(cls, module: nn.Module, optimizer: Optimizer, initial: Mapping[str, Tensor] | None) -> "WatchedParameters":
        """Return the parameters of a module that an optimizer has and that require gradients.

        Raises:
            BadInput: there are none, they are on several devices or no plain tensors, or `initial` lacks one.
        """
        groups: dict[int, int] = {}
        for number, group in enumerate(optimizer.param_groups):
            groups |= {id(value): number for value in group["params"]}
        named = {name: value for name, value in module.named_parameters() if value.requires_grad}
        trained = {name: value for name, value in named.items() if id(value) in groups}
        if not trained:
            reason = "the optimizer has none of its parameters" if named else "it has no parameters to train"
            raise BadInput(f"watch: {type(module).__name__}: {reason}")
        for name, value in trained.items():
            if type(value.data) is not Tensor:  # a shard of FSDP, for example
                raise BadInput(f"watch: parameter {name!r} is a {type(value.data).__name__}; expected a plain tensor")
        devices = sorted({str(value.device) for value in trained.values()})
        if len(devices) > 1:
            raise BadInput(f"watch: parameters are on {', '.join(devices)}; expected one device")
        names = tuple(trained)
        bias = _first_bias(module)
        position = names.index(bias) if bias in names else None
        number = groups[id(trained[bias])] if bias in names else 0
        at_first = None if initial is None else tuple(_complete(initial, trained))
        return cls(names, tuple(trained.values()), at_first, position, number)


def _first_bias(module: nn.Module) -> str:
    """Return the name that the first layer's bias has, if there is one."""
    layer = first_layer(module)
    return f"{layer}.bias" if layer else "bias"


def _complete(initial: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> list[Tensor]:
    for name, value in trained.items():
        if name not in initial or initial[name].shape != value.shape:
            raise BadInput(f"initial: parameter {name!r} of shape {tuple(value.shape)} is missing or has another shape")
    return [initial[name].detach() for name in trained]
