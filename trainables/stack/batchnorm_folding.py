"""Fold BatchNorm into the layer before it, for measures that read weights."""

import copy
from typing import Any

import torch.fx
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.layer_types import is_batch_norm, layer_type
from benevolent.trainables.stack.own_code import is_changed


def fold_batchnorm(module: nn.Module) -> nn.Module:
    """Return the same function, in eval mode, with BatchNorm folded into the layers before it.

    BatchNorm in eval mode is an affine map of each channel, `y = g (x - mean) / sqrt(variance + eps) + b`: the layer
    before it gets weights `g w / sqrt(variance + eps)` and the corresponding bias. Liao et al. 2018 normalize the
    weights of networks with BatchNorm in this way.

    Args:
        module: one that `torch.fx` can trace: `nn.Sequential`, `Residual`, the networks of torchvision; not changed.

    Returns:
        a copy in eval mode with the same names; folded BatchNorm layers are `nn.Identity`. A BatchNorm layer with no
        such layer right before it (the first in a block with pre-activation) stays.

    Raises:
        BadInput: the module has BatchNorm, and its forward pass cannot be traced.

    >>> folded = fold_batchnorm(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.ReLU()))
    >>> [type(layer).__name__ for layer in folded]
    ['Linear', 'Identity', 'ReLU']
    """
    folded = copy.deepcopy(module).eval()
    if not any(is_batch_norm(part) and part.running_mean is not None for part in folded.modules()):
        return folded
    try:
        graph = torch.fx.symbolic_trace(folded).graph
    except Exception as error:
        raise BadInput(f"{type(module).__name__}: cannot fold BatchNorm, torch.fx fails: {error}") from error
    calls = [node.target for node in graph.nodes if node.op == "call_module"]
    for node in graph.nodes:
        source = node.args[0] if node.args else None
        if node.op != "call_module" or not isinstance(source, torch.fx.Node) or source.op != "call_module":
            continue
        if len(source.users) > 1 or calls.count(node.target) > 1 or calls.count(source.target) > 1:
            continue
        norm: Any = folded.get_submodule(str(node.target))
        layer: Any = folded.get_submodule(str(source.target))
        if not (layer_type(layer).absorbs_batch_norm and is_batch_norm(norm) and norm.running_mean is not None):
            continue
        if is_changed(norm) or len(layer.weight) != norm.num_features:  # it may normalize another axis
            continue
        layer.weight, layer.bias = fuse_conv_bn_weights(  # also right for a linear layer, whose weights have two axes
            layer.weight,
            layer.bias,
            norm.running_mean,
            norm.running_var,  # type: ignore[arg-type]
            norm.eps,
            norm.weight,
            norm.bias,
        )
        folded.set_submodule(str(node.target), nn.Identity())
    return folded
