"""The layers of a module as measures need them: weight tensors, the shapes they act on, homogeneity."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from analysis.measures.batchnorm import batchnorms
from trainables.modules import Noise

#: Layers without parameters for which f(a x) = a f(x) for all a > 0.
HOMOGENEOUS = (
    nn.ReLU,
    nn.LeakyReLU,
    nn.Identity,
    nn.Flatten,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Dropout,
    Noise,
)


@dataclass(frozen=True)
class Weight:
    """A parameter with two axes or more, its layer, and the shape of one example at the layer's input.

    `input_shape` is None where the layer was not called, or called on inputs of several shapes.
    """

    name: str
    layer: nn.Module
    input_shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Architecture:
    """What all networks of a stack have in common.

    Attributes:
        module: the layers; measures call none that has parameters.
        weights: in the order of `module.named_parameters()`.
        not_homogeneous: why the logits are not known to scale with the weights; None where they are.
        activations: how many numbers the layers compute for one example.
        classes: the number of logits.
    """

    module: nn.Module
    weights: tuple[Weight, ...]
    not_homogeneous: str | None
    activations: int
    classes: int

    @classmethod
    def trace(cls, module: nn.Module, call: Callable[[], Tensor]) -> "Architecture":
        """Reads a module while `call` runs it on one example; the module is left as it was."""
        shapes: dict[nn.Module, set[tuple[int, ...]]] = {}
        activations = 0

        def record(layer: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            nonlocal activations
            if inputs and isinstance(inputs[0], Tensor):
                shapes.setdefault(layer, set()).add(tuple(inputs[0].shape[1:]))
            activations += output.numel() if isinstance(output, Tensor) else 0

        leaves = [layer for layer in module.modules() if not any(True for _ in layer.children())]
        handles = [layer.register_forward_hook(record) for layer in leaves]
        try:
            logits = call()
        finally:
            for handle in handles:
                handle.remove()
        weights = []
        for name, parameter in module.named_parameters():
            if parameter.ndim >= 2:
                layer = module.get_submodule(name.rpartition(".")[0])
                seen = shapes.get(layer, set())
                weights.append(Weight(name, layer, next(iter(seen)) if len(seen) == 1 else None))
        return cls(module, tuple(weights), _why_not_homogeneous(module), activations, logits.shape[-1])

    @property
    def no_weights(self) -> str | None:
        """Why the weights say nothing of the function; None where they do."""
        if not self.weights:
            return "needs weights, parameters with two axes or more"
        if left := batchnorms(self.module):
            return f"needs layers that BatchNorm can be folded into, found none before {left[0]!r}"
        return None

    @property
    def no_operator_norm(self) -> str | None:
        """Why the spectral norm of some layer is not known; None where all are."""
        for weight in self.weights:
            layer = weight.layer
            if isinstance(layer, nn.Conv2d):
                if layer.padding_mode != "zeros" or weight.input_shape is None:
                    return f"{weight.name}: needs zero padding and one input shape"
            elif not isinstance(layer, nn.Linear):
                return f"{weight.name}: known for Linear and Conv2d, not {type(layer).__name__}"
        return None


def _why_not_homogeneous(module: nn.Module) -> str | None:
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        return next(filter(None, map(_why_not_homogeneous, module)), None)
    if isinstance(module, (nn.Linear, nn.Conv2d, *HOMOGENEOUS)):
        return None
    name = type(module).__name__
    return f"needs nn.Sequential of Linear, Conv2d and positively homogeneous layers, found {name}"
