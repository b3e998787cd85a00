"""All tensors of K networks in training."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from benevolent.trainables.stack.network import Network

_OPTIMIZER = "optimizer/"


@dataclass
class StackState:
    """Tensors of K networks, one row each.

    Attributes:
        parameters: `(K, P)`, laid out by `Network.parameters`; changed in place by training.
        buffers: `(K, B)`, laid out by `Network.buffers`: frozen parameters, statistics of BatchNorm.
        initial: `(K, P)`, the parameters at the initialization, zero where weights are pruned.
        start: `(K, P)`, the parameters at the start of the phase.
        mask: `(K, P)`, 0 where a weight is pruned and else 1; None if no run is pruned.
        optimizer: the optimizer's own memory, `name -> (K, P)`, or `(K, d)` in a subspace.
    """

    parameters: Tensor
    buffers: Tensor
    initial: Tensor
    start: Tensor
    mask: Tensor | None = None
    optimizer: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def begin(
        cls, parameters: Tensor, buffers: Tensor, initial: Tensor | None = None, mask: Tensor | None = None
    ) -> "StackState":
        """Return the state before the first phase; by default the networks are at their initialization."""
        if initial is None:
            initial = parameters.clone()
        return cls(parameters, buffers, initial, parameters, mask)

    @classmethod
    def empty(cls, network: Network, device: torch.device | str = "cpu") -> "StackState":
        """Return the state of no networks."""
        parameters = torch.empty(0, network.parameters.width, device=device)
        buffers = torch.empty(0, network.buffers.width, device=device)
        return cls.begin(parameters, buffers)

    def __len__(self) -> int:
        return len(self.parameters)

    def named(self, network: Network) -> dict[str, Tensor]:
        """Return parameters and buffers by name, each `(K, ...)`, sharing memory with the rows."""
        parameters = network.parameters.named(network.parameters.views(self.parameters))
        buffers = network.buffers.named(network.buffers.views(self.buffers))
        return parameters | buffers

    def named_masks(self, network: Network) -> dict[str, Tensor]:
        """Return the masks of the weights by name, booleans `(K, ...)`; empty if no run is pruned."""
        if self.mask is None:
            return {}
        layout = network.parameters
        named = layout.named(layout.views(self.mask))
        masks = {}
        for name, mask in named.items():
            if len(layout.shapes[name]) >= 2:
                masks[name] = mask.bool()
        return masks

    def map(self, function: Callable[[Tensor], Tensor]) -> "StackState":
        """Return the state with a function applied to every tensor."""
        changed = {name: function(value) for name, value in self.tensors().items()}
        return StackState.from_tensors(changed)

    def pick(self, index: Tensor) -> "StackState":
        """Return a copy of the rows in `index`."""
        return self.map(lambda rows: rows[index])

    def slice(self, start: int, stop: int) -> "StackState":
        """Return some of the rows, sharing their memory."""
        return self.map(lambda rows: rows[start:stop])

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, for `from_tensors`."""
        tensors: dict[str, Tensor] = {}
        for name in _ROWS:
            value = getattr(self, name)
            if value is not None:
                tensors[name] = value
        for name, value in self.optimizer.items():
            tensors[f"{_OPTIMIZER}{name}"] = value
        return tensors

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> "StackState":
        """Return the state of the tensors that `tensors` returned."""
        rows: dict[str, Tensor] = {}
        memory: dict[str, Tensor] = {}
        for name, value in tensors.items():
            if name.startswith(_OPTIMIZER):
                memory[name.removeprefix(_OPTIMIZER)] = value
            else:
                rows[name] = value
        return cls(**rows, optimizer=memory)


#: Names of the fields that hold one tensor each.
_ROWS = tuple(named.name for named in fields(StackState) if named.name != "optimizer")
