"""Code of a user's own in a module: where it is, the class of the module does not say what it computes."""

from torch import nn

#: What a subclass may define anew without changing what a layer computes.
HARMLESS = frozenset(
    [
        *("__module__", "__doc__", "__annotations__", "__constants__", "__orig_bases__"),
        *("__firstlineno__", "__static_attributes__"),
        *("__init__", "__repr__", "extra_repr", "reset_parameters", "train"),
    ]
)
#: Tensors that layers keep by name; a subclass that defines one computes it.
TENSORS = ("weight", "bias")


def is_changed(layer: nn.Module) -> bool:
    """Return True for a module whose class does not say what it computes: it has hooks, or an own `forward`."""
    hooks = layer._forward_hooks or layer._forward_pre_hooks
    return bool(hooks) or "forward" in vars(layer)


def kind_name(layer: nn.Module) -> str:
    """Return the name of a layer's type, as a reason gives it.

    >>> kind_name(nn.Tanh())
    'Tanh'
    """
    name = type(layer).__name__
    return f"{name} with hooks or a forward of its own" if is_changed(layer) else name


def computes_the_same(kind: type[nn.Module], base: type[nn.Module]) -> bool:
    """Return True if a subclass defines nothing anew that its base computes with."""
    for one in kind.__mro__[: kind.__mro__.index(base)]:
        for name in vars(one):
            changes_base = hasattr(base, name) or name in TENSORS
            if changes_base and name not in HARMLESS:
                return False
    return True
