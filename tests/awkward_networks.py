"""Networks as people have them, that are easy to measure wrongly: one table for the tests that need some."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

EXAMPLES = 12
LABELS = torch.arange(EXAMPLES) % 3


class Of(nn.Module):
    """A module whose forward pass is a function of its layers and the inputs."""

    def __init__(self, function: Callable[[Any, Tensor], Any], **layers: Any) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, inputs: Tensor) -> Any:
        return self.function(self, inputs)


class Awkward(NamedTuple):
    """A network with inputs of six numbers, or six token ids.

    Attributes:
        build: makes the module.
        says: measure -> what its status begins with.
        hidden: tensors and the axis along which their entries belong to hidden units: permuted together, these change
            nothing.
        scaled: tensors that a factor may move to the following ones, without changing the function.
        tokens: True if the inputs are token ids.
        has_precision: True if it computes in a precision of its own.
    """

    build: Callable[[], nn.Module]
    says: dict[str, str]
    hidden: tuple[tuple[str, int], ...] = ()
    scaled: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    tokens: bool = False
    has_precision: bool = False

    def inputs(self) -> Tensor:
        draw = torch.Generator().manual_seed(0)
        if self.tokens:
            return torch.randint(0, 11, (EXAMPLES, 6), generator=draw)
        return torch.randn(EXAMPLES, 6, generator=draw)


def linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias)


def used_twice() -> nn.Module:
    layer, relu = linear(6, 6), nn.ReLU()
    return nn.Sequential(layer, relu, layer, relu, linear(6, 3))


def tied() -> nn.Module:
    module = Of(lambda self, x: self.c(self.b(self.a(x).relu())), a=linear(6, 6), b=linear(6, 6), c=linear(6, 3))
    module.b.weight = module.a.weight
    return module


def tied_and_pruned() -> nn.Module:
    module = tied()
    prune.random_unstructured(module.a, "weight", amount=0.5)
    return module


def tied_head() -> nn.Module:
    module = Of(lambda self, x: self.c(self.b(x).mean(1))[:, :3], b=nn.Embedding(11, 5), c=linear(5, 11, False))
    module.c.weight = module.b.weight
    return module


def detached(how: str) -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        if how == "detach":
            return self.c(self.a(x).relu().detach())
        with torch.no_grad():
            features = self.a(x).relu()
        return self.c(features)

    return Of(forward, a=linear(6, 4), c=linear(4, 3))


class Rounding(torch.autograd.Function):
    """Rounds, and passes the gradient on: the straight-through estimator."""

    generate_vmap_rule = True

    @staticmethod
    def forward(inputs: Tensor) -> Tensor:
        return (8 * inputs).round() / 8

    @staticmethod
    def setup_context(context: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return gradient


class OldRounding(torch.autograd.Function):
    """The same in the form that torch.func cannot differentiate."""

    @staticmethod
    def forward(context: Any, inputs: Tensor) -> Tensor:
        return (8 * inputs).round() / 8

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return gradient


def hooked(change: bool) -> nn.Module:
    module = nn.Sequential(linear(6, 4), nn.ReLU(), linear(4, 3))
    module[1].register_forward_hook(lambda layer, inputs, output: output.square() if change else None)
    return module


def own_forward() -> nn.Module:
    module = nn.Sequential(linear(6, 4), nn.ReLU(), linear(4, 3))
    module[1].forward = torch.square
    return module


class Summed(nn.Sequential):
    """A sequence with a forward pass of its own: the first layer is also added to the last but one."""

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self[0](inputs)
        return self[2](self[1](hidden) + hidden)


class Wrapping(nn.Conv2d):
    """A convolution that pads in a way of its own, and keeps the forward pass of its class."""

    def _conv_forward(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return functional.conv2d(functional.pad(inputs, (1, 1, 1, 1), "circular"), weight, bias)


def depends_on_values(self: Any, x: Tensor) -> Tensor:
    hidden = self.a(x)
    return self.c(2 * hidden if hidden.sum() > 1e9 else hidden)


def fills(self: Any, x: Tensor) -> Tensor:
    hidden = x.new_zeros(len(x), 4)
    hidden[:] = self.a(x).relu()
    return self.c(hidden)


def adds_in_place(self: Any, x: Tensor) -> Tensor:
    hidden = self.a(x)
    hidden.add_(self.b(hidden))
    return self.c(hidden)


ONCE = "not applicable: needs weights that act once"
AS_THEY_ARE = "not applicable: needs weights that act as they are"
ROWS = "not applicable: needs layers that act on one row of inputs for each example"
DERIVATIVES = "not applicable: needs derivatives of the outputs by the"
THROUGH_FIRST = "not applicable: needs inputs that reach the outputs through the first layer alone"
SEQUENTIAL = "not applicable: needs nn.Sequential of"
CALLED = "not applicable: needs layers that are called on a tensor by position"
#: Names of the tensors of a hidden layer `a` and of the layer `c` after it.
HIDDEN = (("a.weight", 0), ("a.bias", 0), ("c.weight", 1))
SCALED = (("a.weight", "a.bias"), ("c.weight",))


class CountsCalls(nn.Module):
    """A network that counts its calls, in eval mode, too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.body = nn.Sequential(linear(6, 4), nn.ReLU(), linear(4, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        return self.body(inputs)


def clamps_if_needed(self: Any, x: Tensor) -> Tensor:
    """A sequence of its layers on the first inputs, which need no clamp."""
    if (x.abs() > 2.2).any():
        x = x.clamp(-2.2, 2.2)
    return self.c(self.b(self.a(x)))


def without_derivatives(self: Any, inputs: Tensor) -> Tensor:
    with torch.inference_mode():
        return self.b(self.a(inputs).relu())


AWKWARD: dict[str, Awkward] = {
    "counts its calls": Awkward(CountsCalls, {"lipschitz_mean": "ok", "sharpness": "ok", "layer_margins": "ok"}),
    "inference mode": Awkward(
        lambda: Of(without_derivatives, a=linear(6, 4), b=linear(4, 3)),
        {"log_spectral_product": "ok", "margin_p10": "ok", "lipschitz_mean": "not applicable: needs derivatives"},
    ),
    "layer used twice": Awkward(used_twice, {"log_spectral_product": ONCE, "path_norm": "ok"}),
    "tied weights": Awkward(tied, {"log_frobenius_product": ONCE, "margin_p10": "ok"}),
    "tied weights, one pruned": Awkward(tied_and_pruned, {"log_frobenius_product": "ok", "parameter_norm": "ok"}),
    "tied embedding and head": Awkward(tied_head, {"log_frobenius_product": ONCE, "sharpness": "ok"}, tokens=True),
    "wrapper of a sequence": Awkward(
        lambda: Of(
            lambda self, x: self.c(self.b(self.a(x)).view(-1, 4)),
            a=linear(6, 4), b=nn.Sequential(nn.ReLU(), nn.Dropout()), c=linear(4, 3),
        ),  # fmt: skip
        {"path_norm": "ok", "normalized_train_loss": "ok", "far_coverage": "ok"},
        HIDDEN,
        SCALED,
    ),
    "wrapper that changes inputs": Awkward(
        lambda: Of(lambda self, x: self.c(self.b(self.a(x.mul_(2)))), a=linear(6, 4), b=nn.ReLU(), c=linear(4, 3)),
        {"path_norm": SEQUENTIAL, "normalized_train_loss": SEQUENTIAL},
        HIDDEN,
        SCALED,
    ),
    "layer never called": Awkward(
        lambda: Of(lambda self, x: self.c(x), a=linear(6, 6), c=linear(6, 3)), {"log_frobenius_product": ONCE}
    ),
    "doubled weight": Awkward(
        lambda: Of(lambda self, x: self.c(functional.linear(x, 2 * self.a.weight)), a=linear(6, 6), c=linear(6, 3)),
        {"log_frobenius_product": AS_THEY_ARE},
    ),
    "weight norm": Awkward(
        lambda: nn.Sequential(parametrizations.weight_norm(linear(6, 4)), nn.ReLU(), linear(4, 3)),
        {"log_spectral_product": "ok", "path_norm": "ok"},
    ),
    "inputs beside the first layer": Awkward(
        lambda: Of(lambda self, x: self.c(torch.cat([self.a(x).relu(), x], 1)), a=linear(6, 4), c=linear(10, 3)),
        {"lipschitz_mean_upper": THROUGH_FIRST, "lipschitz_mean": "ok"},
    ),
    "ReLU as a function": Awkward(
        lambda: Of(
            lambda self, x: self.c(functional.relu(self.b(self.r(self.a(x))))),
            a=linear(6, 4), r=nn.ReLU(), b=linear(4, 4), c=linear(4, 3),
        ),  # fmt: skip
        {"activation_regions": "not applicable: needs ReLUs that are layers", "layer_margins": "ok"},
        (("a.weight", 0), ("a.bias", 0), ("b.weight", 1)),
        (("a.weight", "a.bias"), ("b.weight",)),
    ),
    "weights of the module itself": Awkward(
        lambda: Of(
            lambda self, x: (x @ self.a).relu() @ self.c,
            a=nn.Parameter(torch.randn(6, 5)), c=nn.Parameter(torch.randn(5, 3)),
        ),  # fmt: skip
        {"davies_bouldin": "not applicable: needs layers whose weights act on", "log_frobenius_product": "ok"},
        (("a", 1), ("c", 0)),
        (("a",), ("c",)),
    ),
    "head called by keyword": Awkward(
        lambda: Of(lambda self, x: self.c(input=self.a(x).relu()), a=linear(6, 4), c=linear(4, 3)),
        {"davies_bouldin": CALLED, "log_spectral_product": "ok"},
        HIDDEN,
        SCALED,
    ),
    "examples on another axis": Awkward(
        lambda: Of(lambda self, x: self.c(self.a(x).relu().unsqueeze(0))[0], a=linear(6, 4), c=linear(4, 3)),
        {"davies_bouldin": ROWS, "layer_margins": ROWS, "log_spectral_product": "ok"},
        HIDDEN,
        SCALED,
    ),
    "detached part": Awkward(
        lambda: detached("detach"), {"lipschitz_max": DERIVATIVES, "sharpness": DERIVATIVES, "margin_p10": "ok"}
    ),
    "part without gradients": Awkward(
        lambda: detached("no_grad"), {"lipschitz_max": DERIVATIVES, "fisher_rao_norm": DERIVATIVES}
    ),
    "rounding with a gradient": Awkward(
        lambda: Of(lambda self, x: self.c(Rounding.apply(self.a(x))), a=linear(6, 4), c=linear(4, 3)),
        {"lipschitz_max": DERIVATIVES, "input_margin_median": DERIVATIVES, "margin_p10": "ok"},
    ),
    "backward pass of the old form": Awkward(
        lambda: Of(lambda self, x: self.c(OldRounding.apply(self.a(x))), a=linear(6, 4), c=linear(4, 3)),
        {"lipschitz_max": "not applicable: needs derivatives, and torch fails", "margin_p10": "ok"},
    ),
    "hook that watches": Awkward(lambda: hooked(False), {"path_norm": "ok", "normalized_train_loss": "ok"}),
    "hook that changes": Awkward(
        lambda: hooked(True), {"path_norm": SEQUENTIAL, "normalized_train_loss": SEQUENTIAL}
    ),
    "layer with a forward of its own": Awkward(
        own_forward, {"path_norm": SEQUENTIAL, "far_lipschitz_bound": "not applicable"}
    ),
    "sequence with a forward of its own": Awkward(
        lambda: Summed(linear(6, 4), nn.ReLU(), linear(4, 3)),
        {"path_norm": SEQUENTIAL, "normalized_train_loss": SEQUENTIAL, "sharpness": "ok"},
        (("0.weight", 0), ("0.bias", 0), ("2.weight", 1)),
        (("0.weight", "0.bias"), ("2.weight",)),
    ),
    "ReLU of the inputs": Awkward(
        lambda: nn.Sequential(nn.ReLU(inplace=True), linear(6, 4), nn.ReLU(), linear(4, 3)),
        {"path_norm": "ok", "lipschitz_max": "ok", "lipschitz_mean_upper": "not applicable: needs a first layer"},
        (("1.weight", 0), ("1.bias", 0), ("3.weight", 1)),
        (("1.weight", "1.bias"), ("3.weight",)),
    ),
    "convolution with a padding of its own": Awkward(
        lambda: nn.Sequential(nn.Unflatten(1, (1, 2, 3)), Wrapping(1, 2, 2), nn.Flatten(), linear(24, 3)),
        {"path_norm": SEQUENTIAL, "log_spectral_product": "not applicable: 1.weight: known for Linear and Conv2d"},
    ),
    "BatchNorm of another axis": Awkward(
        lambda: nn.Sequential(
            nn.Unflatten(1, (3, 2)), linear(2, 4), nn.BatchNorm1d(3), nn.Flatten(), linear(12, 3)
        ),
        {"frobenius_sum": "not applicable: needs layers that BatchNorm can be folded into", "sharpness": "ok"},
    ),
    "LayerNorm of two axes": Awkward(
        lambda: nn.Sequential(nn.Unflatten(1, (3, 2)), nn.LayerNorm((3, 2)), nn.Flatten(), linear(6, 3)),
        {"log_frobenius_product": "ok", "log_spectral_product": "ok"},
    ),
    "positions added": Awkward(
        lambda: Of(
            lambda self, x: self.c(self.a(x + self.p[:, :6]).relu()),
            a=linear(6, 4), p=nn.Parameter(torch.randn(1, 7)), c=linear(4, 3),
        ),  # fmt: skip
        {"log_spectral_product": "ok", "layer_margins": "ok"},
        HIDDEN,
        SCALED,
    ),
    "transposed convolution": Awkward(
        lambda: nn.Sequential(nn.Unflatten(1, (3, 2)), nn.ConvTranspose1d(3, 2, 2), nn.Flatten(), linear(6, 3)),
        {"log_kernel_product": "ok", "log_spectral_product": "not applicable: 1.weight: known for"},
    ),
    "kernel of three axes": Awkward(
        lambda: Of(lambda self, x: torch.einsum("ni,ihk,hkc->nc", x, self.a, self.c),
                   a=nn.Parameter(torch.randn(6, 2, 2)), c=nn.Parameter(torch.randn(2, 2, 3))),  # fmt: skip
        {"log_kernel_product": "not applicable: needs matrices", "log_frobenius_product": "ok"},
    ),
    "weight in a sum of products": Awkward(
        lambda: Of(lambda self, x: (x.unsqueeze(1) * self.a).sum(-1), a=nn.Parameter(torch.randn(3, 6))),
        {"log_frobenius_product": "not applicable: needs weights that act in products", "sharpness": "ok"},
    ),
    "steps that depend on values": Awkward(
        lambda: Of(depends_on_values, a=linear(6, 4), c=linear(4, 3)),
        {"bias_gradient_mean": "ok", "lipschitz_max": "ok"},
        HIDDEN,
    ),
    "steps that one of the inputs needs": Awkward(
        lambda: Of(clamps_if_needed, a=linear(6, 4), b=nn.ReLU(), c=linear(4, 3)),
        {"path_norm": SEQUENTIAL, "normalized_train_loss": SEQUENTIAL, "lipschitz_max": "ok", "sharpness": "ok"},
        HIDDEN,
    ),
    "tensor that is filled": Awkward(
        lambda: Of(fills, a=linear(6, 4), c=linear(4, 3)), {"log_spectral_product": "ok"}, HIDDEN, SCALED
    ),
    "sum in place": Awkward(
        lambda: Of(adds_in_place, a=linear(6, 4), b=linear(4, 4), c=linear(4, 3)), {"layer_margins": "ok"}
    ),
    "two precisions": Awkward(
        lambda: Of(lambda self, x: self.c(self.a(x).float()), a=linear(6, 4).double(), c=linear(4, 3)),
        {"asam_sharpness": "ok", "sharpness": "ok", "lipschitz_max": "ok"},
        HIDDEN,
        has_precision=True,
    ),
    "parameter of integers": Awkward(
        lambda: Of(
            lambda self, x: self.c(self.a(x[:, self.p]).relu()),
            a=linear(6, 4), c=linear(4, 3), p=nn.Parameter(torch.randperm(6), requires_grad=False),
        ),  # fmt: skip
        {"parameter_norm": "ok", "lipschitz_max": "ok"},
        HIDDEN,
        SCALED,
    ),
    "recurrent": Awkward(
        lambda: Of(
            lambda self, x: self.c(self.a(x.view(-1, 2, 3))[0][:, -1]),
            a=nn.LSTM(3, 5, batch_first=True), c=linear(5, 3),
        ),  # fmt: skip
        {"log_frobenius_product": "not applicable: needs weights that act once", "sharpness": "ok"},
    ),
    "attention": Awkward(
        lambda: Of(
            lambda self, x: self.c(self.a(x.view(-1, 2, 3)).mean(1)),
            a=nn.TransformerEncoderLayer(3, 1, 4, dropout=0.0, batch_first=True), c=linear(3, 3),
        ),  # fmt: skip
        {"log_frobenius_product": "ok", "log_spectral_product": "not applicable", "fisher_rao_norm": "ok"},
    ),
}  # fmt: skip


def built(name: str, seed: int = 0) -> nn.Module:
    """Make an awkward network from a seed."""
    torch.manual_seed(seed)
    return AWKWARD[name].build()
