"""The family of random forests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from benevolent.trainables.lazy_torch import nn
from benevolent.trainables.models.parts import Positive, Shape


def random_forest(
    input_shape: Shape,
    outputs: int,
    *,
    trees: Positive = 1,
    leaves: Annotated[int, Field(ge=2)] = 100,
    max_features: Literal["sqrt"] | Annotated[float, Field(gt=0, le=1)] = "sqrt",
    bootstrap: bool = False,
) -> nn.Module:
    """Random forest, grown by scikit-learn on the targets of the squared loss.

    Source: Belkin et al. 2018, figure 4: let one tree have more leaves until it has as many as it can, then add trees.
    The forest is grown at once, whatever the limits of training; it has no initialization, optimizer or dynamics.

    `trees`: their number. `leaves`: largest number in each tree, best splits first. `max_features`: number of features
    that a split may choose from, a fraction of all or the square root of their number. `bootstrap`: each tree sees
    examples drawn with replacement.

    >>> random_forest((1, 8, 8), 10, trees=3, leaves=50).value.shape
    torch.Size([3, 99, 10])
    """
    from benevolent.trainables.models.forest import Forest

    return Forest(trees, leaves, outputs)
