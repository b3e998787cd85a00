"""Networks that are sequences of dense layers, convolutions and ReLUs, found in whatever module runs these."""

from collections.abc import Iterator

from torch import Tensor, nn

from benevolent.analysis.measures.layer_products import ConvolutionMap, DenseMap, LinearMap
from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once
from benevolent.analysis.measures.relu_derivatives import ReluSequence, in_one_row, logit_slopes
from benevolent.analysis.measures.relu_layers import Active, Flattened, Step, Weighted
from benevolent.trainables.stack.layer_types import flattens_everything, is_sequence, pads_with_zeros
from benevolent.trainables.stack.own_code import is_changed


def relu_sequence(network: MeasuredNetwork) -> ReluSequence | None:
    """Return the network `as_stack` (see there) with its derivatives at all training examples.

    None if it is no such sequence, or if its activations do not fit into memory together.
    """
    return _of_stack(network.as_stack())


@computed_once
def _of_stack(stack: MeasuredNetwork) -> ReluSequence | None:
    layers = _layers(stack)
    labels = stack.train.labels
    if layers is None or labels.numel() > stack.fitting_examples:
        return None
    steps: list[Step] = []
    inputs = stack.in_precision(stack.train.inputs)
    values = inputs.expand(len(labels), *inputs.shape)
    for name, layer in layers:
        step = _step(stack, name, layer, values, is_first=not steps)
        if step is None:
            return None
        values = step.outputs(values)
        if steps or isinstance(step, Weighted):  # what comes before the first weights only flattens the inputs
            steps.append(step)
    found: dict[str, Tensor] = {}
    slopes = logit_slopes(stack.loss, values, labels)
    for step in reversed(steps):
        slopes = step.pull(slopes, found)
    shapes = {name: value.shape[1:] for name, value in stack.parameters.items()}
    gradient = in_one_row(found, shapes)
    unpruned = in_one_row(stack.all_masks, shapes) if stack.masks else None
    if unpruned is not None:
        gradient = unpruned * gradient
    return ReluSequence(shapes, tuple(steps), values, labels, stack.loss, gradient, unpruned)


def _layers(stack: MeasuredNetwork) -> list[tuple[str, nn.Module]] | None:
    """Return the layers with their names, if they are such a sequence and hold the parameters of the network."""
    architecture = stack.architecture
    sequence = architecture.sequence
    if architecture.doubt is not None or architecture.folds or not is_sequence(sequence):
        return None
    names = {layer: name for name, layer in architecture.module.named_modules()}
    layers = [(names.get(layer, ""), layer) for layer in _innermost(sequence)]
    parameters = [f"{name}.{own}" for name, layer in layers for own, _ in layer.named_parameters()]
    known = all(_is_known(layer) for _, layer in layers)
    return layers if known and sorted(parameters) == sorted(stack.parameters) else None


def _innermost(sequence: nn.Sequential) -> Iterator[nn.Module]:
    for layer in sequence:
        if is_sequence(layer):
            yield from _innermost(layer)
        elif not _does_nothing(layer):
            yield layer


def _does_nothing(layer: nn.Module) -> bool:
    return type(layer) in (nn.Identity, nn.Dropout) and not layer.training and not is_changed(layer)


def _is_known(layer: nn.Module) -> bool:
    if is_changed(layer):
        return False
    if type(layer) is nn.Conv2d:
        return pads_with_zeros(layer)
    if type(layer) is nn.Flatten:
        return flattens_everything(layer)
    return type(layer) in (nn.Linear, nn.ReLU)


def _step(stack: MeasuredNetwork, name: str, layer: nn.Module, inputs: Tensor, is_first: bool) -> Step | None:
    """Return a layer at its inputs `(K, N, ...)`.

    None if these have more axes than it is written out for, or if it is a ReLU of the network's inputs themselves:
    steps begin with weights.
    """
    if isinstance(layer, nn.ReLU):
        return None if is_first else Active((inputs > 0).to(inputs.dtype))
    if isinstance(layer, nn.Flatten):
        return Flattened(tuple(inputs.shape[2:]))
    linear: LinearMap
    if isinstance(layer, nn.Conv2d) and inputs.ndim == 5:
        linear = ConvolutionMap(layer, tuple(inputs.shape[2:]))
    elif isinstance(layer, nn.Linear) and inputs.ndim == 3:
        linear = DenseMap()
    else:
        return None
    bias_name = f"{name}.bias" if layer.bias is not None else None
    bias = None if bias_name is None else stack.parameters[bias_name]
    weight_name = f"{name}.weight"
    return Weighted(linear, weight_name, bias_name, is_first, stack.parameters[weight_name], bias, inputs)
