"""Checks of requirements: each returns the reason why a network does not meet one, or None.

They read no values of tensors.
"""

from collections.abc import Callable
from itertools import pairwise

from torch import nn

from benevolent.analysis.measures.architecture import Architecture
from benevolent.analysis.measures.batchnorm import batchnorm_names
from benevolent.analysis.measures.measured_network import MeasuredNetwork
from benevolent.analysis.measures.path_norm import why_no_path_norm
from benevolent.analysis.measures.weight_kinds import MATRIX_PRODUCTS
from benevolent.trainables.stack.layer_types import LayerType, is_sequence, layer_type
from benevolent.trainables.stack.own_code import kind_name


def why_no_initial(network: MeasuredNetwork) -> str | None:
    """Ask for the parameters that training started from."""
    return None if network.initial is not None else "needs the initial parameters"


def why_no_classes(network: MeasuredNetwork) -> str | None:
    """Ask for labels that are classes."""
    real_targets = network.train.labels.is_floating_point()
    return "needs classes; the targets are real numbers" if real_targets else None


def why_no_real_inputs(network: MeasuredNetwork) -> str | None:
    """Ask for inputs that can be moved a little."""
    return None if network.train.sets.dtype.is_floating_point else "needs inputs that are real numbers"


def why_no_true_labels(network: MeasuredNetwork) -> str | None:
    """Ask for the training labels before some were corrupted."""
    return None if network.true_labels is not None else "needs the labels as they were before corruption"


def why_no_layers(network: MeasuredNetwork) -> str | None:
    """Ask for two layers with parameters."""
    layers = {name.rpartition(".")[0] for name in network.parameters}
    return None if len(layers) > 1 else "needs two layers or more"


def why_no_weights(network: MeasuredNetwork) -> str | None:
    """Ask for weight tensors that each act once, with BatchNorm folded into them."""
    architecture = network.architecture
    if not architecture.weights:
        return "needs weights, parameters with two axes or more"
    for weight in architecture.weights:
        if weight.why_not_once:
            return weight.why_not_once
    unfolded = batchnorm_names(architecture.module)
    if unfolded:
        return f"needs layers that BatchNorm can be folded into, found none before {unfolded[0]!r}"
    return None


def why_no_features(network: MeasuredNetwork) -> str | None:
    """Ask for a last layer with weights, whose inputs are the features."""
    return why_no_weights(network) or _no_features(network.architecture)


def _no_features(architecture: Architecture) -> str | None:
    last = architecture.weights[-1]
    layer = last.name.rpartition(".")[0]
    if layer not in architecture.calls:
        return f"needs a last layer with weights that is called, {layer!r} is not"
    return last.why_not_on_inputs


def why_no_layer_inputs(network: MeasuredNetwork) -> str | None:
    """Ask for layers of one weight tensor, each called once."""
    return why_no_weights(network) or _no_layer_inputs(network.architecture)


def _no_layer_inputs(architecture: Architecture) -> str | None:
    for weight, following in pairwise(architecture.weights):
        if weight.layer is following.layer:
            return f"needs one weight tensor per layer, {weight.name!r} is not alone"
    reasons = (weight.why_not_on_inputs for weight in architecture.weights)
    return next(filter(None, reasons), None)


def why_not_homogeneous(network: MeasuredNetwork) -> str | None:
    """Ask for a network whose outputs scale with the weights of every layer."""
    layers = "Linear, Conv2d and positively homogeneous layers"
    return _other_layer(network.architecture.sequence, layers, lambda known: known.homogeneous)


def _other_layer(module: nn.Module, expected: str, allowed: Callable[[LayerType], bool]) -> str | None:
    """Return a reason that names the first layer, in a sequence or alone, that is not allowed; None if all are."""
    if is_sequence(module):
        reasons = (_other_layer(part, expected, allowed) for part in module.children())
        return next(filter(None, reasons), None)
    if allowed(layer_type(module)):
        return None
    return f"needs nn.Sequential of {expected}, found {kind_name(module)}"


def why_no_operator_norms(network: MeasuredNetwork) -> str | None:
    """Ask for weights whose linear maps have norms that can be computed."""
    for weight in network.architecture.weights:
        applied_as = layer_type(weight.layer).weights
        if applied_as is None:
            return f"{weight.name}: known for Linear and Conv2d, not {kind_name(weight.layer)}"
        if applied_as == "kernel" and weight.input_shape is None:
            return f"{weight.name}: needs one input shape"
        if weight.function not in MATRIX_PRODUCTS | {"conv2d"}:
            return f"{weight.name}: known for matrix products and conv2d, not {weight.function!r}"
    return None


def why_no_matrices(network: MeasuredNetwork) -> str | None:
    """Ask for weights that are matrices or kernels of convolutions."""
    return why_no_weights(network) or _no_matrices(network)


def _no_matrices(network: MeasuredNetwork) -> str | None:
    for weight in network.architecture.weights:
        axes = network.folded[weight.name].ndim
        if axes > 2 and not weight.function.startswith("conv"):
            return f"needs matrices and kernels of convolutions, {weight.name!r} has {axes} axes"
    return None


def why_no_paths(network: MeasuredNetwork) -> str | None:
    """Ask for a network in which paths can be counted."""
    for weight in network.architecture.weights:
        if any(use.changed for use in weight.uses):
            return weight.why_not_once
    return why_no_path_norm(network.architecture.sequence)


def why_no_dense_first_layer(network: MeasuredNetwork) -> str | None:
    """Ask for a trained first layer with a bias, which acts on the inputs themselves."""
    names = network.architecture.first_layer
    if names is None or any(name not in network.parameters for name in names if name):
        return "needs a first layer that is linear with a bias, both trained"
    if not network.architecture.first_on_inputs:
        return "needs a first layer that acts on the inputs themselves"
    if not network.architecture.derivatives.first_carries_inputs:
        return "needs inputs that reach the outputs through the first layer alone, once"
    return None


def why_no_relu(network: MeasuredNetwork) -> str | None:
    """Ask for ReLU layers."""
    return why_no_weights(network) or _no_relu(network.architecture)


def _no_relu(architecture: Architecture) -> str | None:
    if not any(isinstance(part, nn.ReLU) for part in architecture.module.modules()):
        return "needs layers nn.ReLU"
    if architecture.relu_functions:
        return "needs ReLUs that are layers nn.ReLU, some are called as functions"
    return None


def why_not_piecewise_linear(network: MeasuredNetwork) -> str | None:
    """Ask for a network of affine layers and ReLU alone."""
    layers = "affine layers and ReLU"
    return why_no_relu(network) or _other_layer(
        network.architecture.sequence, layers, lambda known: known.affine_given_relus
    )


def why_no_slopes(network: MeasuredNetwork) -> str | None:
    """Ask for outputs that can be differentiated by the inputs."""
    return network.architecture.derivatives.no_slopes


def why_no_gradients(network: MeasuredNetwork) -> str | None:
    """Ask for a loss that can be differentiated by the parameters."""
    return network.architecture.derivatives.no_gradients


def why_no_curvature(network: MeasuredNetwork) -> str | None:
    """Ask for a loss that can be differentiated twice by the parameters."""
    derivatives = network.architecture.derivatives
    return derivatives.no_gradients or derivatives.no_curvature
