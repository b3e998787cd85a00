"""BatchNorm folded into the layer before it, for measures that read weights."""

import copy

import torch.fx
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from benevolent.trainables.errors import BadInput

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_FOLDING = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def fold_batchnorm(module: nn.Module) -> nn.Module:
    """The same function, in eval mode, with BatchNorm folded into the convolution or linear layer before it.

    BatchNorm in eval mode is an affine map of each channel, `y = g (x - mean) / sqrt(variance + eps) + b`: the layer
    before it gets weights `g w / sqrt(variance + eps)` and the fitting bias. Liao et al. 2018 normalize the weights of
    networks with BatchNorm so.

    Args:
        module: any that `torch.fx` can follow: `nn.Sequential`, `Residual`, the networks of torchvision; not changed.

    Returns:
        a copy in eval mode with the same names; folded BatchNorm layers are `nn.Identity`. A BatchNorm layer with no
        such layer right before it (the first in a block with pre-activation) stays.

    Raises:
        BadInput: the module has BatchNorm, and its forward pass cannot be followed.

    >>> folded = fold_batchnorm(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.ReLU()))
    >>> [type(layer).__name__ for layer in folded]
    ['Linear', 'Identity', 'ReLU']
    """
    folded = copy.deepcopy(module).eval()
    if not any(isinstance(part, _NORMS) and part.running_mean is not None for part in folded.modules()):
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
        norm, layer = folded.get_submodule(str(node.target)), folded.get_submodule(str(source.target))
        if isinstance(layer, _FOLDING) and isinstance(norm, _NORMS) and norm.running_mean is not None:
            layer.weight, layer.bias = fuse_conv_bn_weights(  # for a linear layer too: its weights have no more axes
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
