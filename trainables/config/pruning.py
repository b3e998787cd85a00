"""Configuration of pruning, of resets, and of training in a random subspace."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from benevolent.trainables.config.base import Section
from benevolent.trainables.config.data import Fraction
from benevolent.trainables.per_run_fields import PerRun


def is_pruned(fraction: Any, rounds: Any) -> Any:
    """Return True for `prune.fraction` and `prune.rounds` that prune something: numbers, or columns of a table.

    >>> is_pruned(0.5, 1), is_pruned(0.5, 0)
    (True, False)
    """
    return (fraction > 0) & (rounds > 0)


class PruneConfig(Section):
    """Magnitude pruning of the trained dense network, then retraining (Frankle and Carbin 2019).

    `fraction`: of the remaining weights that each round sets to zero and holds there, those of smallest magnitude;
    biases are kept. `rounds`: how often the network is pruned and trained again. `method`: the smallest weights are
    chosen over all layers together (`magnitude`), or within each (`layer_magnitude`). `conv_rate`: with
    `layer_magnitude`, so many times the fraction is pruned in each convolution. (Conv-2 of the source, 10 % and 20 %:
    fraction 0.2, conv_rate 0.5, output_rate 0.5.) `output_rate`: the same for the output layer.

    `rewind`: before they are trained again, the other parameters are set back to their values at initialization
    (`init`) or at the start of phase `train` (`train`), or stay (`none`).

    `control`: what the last round trains: the `ticket`; the same mask on newly drawn weights (`reinit`); the same mask
    on the ticket's own initial weights, each moved to another place of its layer (`shuffle`: Frankle et al. 2021,
    "Pruning neural networks at initialization"); or new weights at random places, as many in each layer
    (`random_mask`). `draw`: number of the draw of a control; all draws share the ticket's dense network and earlier
    rounds, which are trained once.
    """

    inert: ClassVar = {
        "fraction": ("rounds", 0),
        "rounds": ("fraction", 0),
        "method": ("fraction", 0),
        "conv_rate": ("fraction", 0),
        "output_rate": ("fraction", 0),
        "rewind": ("fraction", 0),
        "control": ("fraction", 0),
        "draw": ("control", "ticket"),
    }

    fraction: Annotated[float, Field(ge=0, lt=1, examples=[0.5]), PerRun] = 0.0
    rounds: Annotated[int, Field(ge=0, le=99), PerRun] = 1
    method: Annotated[Literal["magnitude", "layer_magnitude"], PerRun] = "magnitude"
    conv_rate: Annotated[Fraction, PerRun] = 1.0
    output_rate: Annotated[Fraction, PerRun] = 1.0
    rewind: Annotated[Literal["init", "train", "none"], PerRun] = "init"
    control: Annotated[Literal["ticket", "reinit", "shuffle", "random_mask"], PerRun] = "ticket"
    draw: Annotated[int, Field(ge=0), PerRun] = 0

    @model_validator(mode="after")
    def _rates_are_of_layers(self) -> "PruneConfig":
        for name in ("conv_rate", "output_rate"):
            if getattr(self, name) != 1 and self.method != "layer_magnitude":
                raise ValueError(f"{name} needs method 'layer_magnitude'")
        return self

    @property
    def prunes(self) -> bool:
        """True if anything is pruned."""
        return bool(is_pruned(self.fraction, self.rounds))

    @property
    def round_before(self) -> "PruneConfig":
        """The pruning of the network whose weights decide the mask of this one."""
        if self.rounds <= 1:
            return PruneConfig()
        return self.model_copy(update={"rounds": self.rounds - 1, "control": "ticket", "draw": 0})

    def pruned_fraction(self, axes: int = 2, output: bool = False) -> float:
        """Return the fraction of a layer's weights that is pruned after all rounds.

        Args:
            axes: number of axes of its weight; a convolution has more than two.
            output: True for the output layer of a network with several layers.

        >>> PruneConfig(fraction=0.5, rounds=2, conv_rate=0.5, method="layer_magnitude").pruned_fraction(axes=4)
        0.4375
        """
        rate = 1.0
        if output:
            rate = self.output_rate
        elif axes > 2:
            rate = self.conv_rate
        return 1 - (1 - rate * self.fraction) ** self.rounds

    @property
    def stream(self) -> str:
        """The end of the stream names of a control, so that it draws otherwise than others; empty for a ticket.

        A shuffled ticket has the weights of the ticket.
        """
        if not self.prunes or self.control in ("ticket", "shuffle"):
            return ""
        number = f"/{self.draw}" if self.draw else ""
        return f"/{self.control}{number}"


class ResetConfig(Section):
    """Layers of the trained network set back, without training after that (Zhang, Bengio and Singer 2019).

    `layers`: numbers of the layers with weights, from 1. `to`: the parameters that they get: those at initialization
    (`init`) or after this many epochs of their last phase (then the sweep must keep checkpoints there; of a run that
    ended earlier, the final ones), or newly drawn ones (`random`). Normalization layers have no weights and stay.
    """

    inert: ClassVar = {"to": ("layers", [])}

    layers: Annotated[list[Annotated[int, Field(ge=1)]], Field(examples=[[1]]), PerRun] = []
    to: Annotated[Literal["init", "random"] | Annotated[int, Field(ge=0)], PerRun] = "init"

    @model_validator(mode="after")
    def _layers_have_one_spelling(self) -> "ResetConfig":
        if self.layers != sorted(set(self.layers)):
            raise ValueError("layers must be strictly increasing")
        return self


class SubspaceConfig(Section):
    """Training in a random subspace that contains the start (Li et al. 2018): theta = theta_0 + P phi.

    `dimension`: of the subspace; without it, all parameters are trained. `projection`: how the columns of P are drawn,
    all of norm one: normal numbers (`dense`), sparse with density 1 / sqrt(D) (`sparse`), or a product of Hadamard
    matrices, signs, a permutation and normal numbers that is never written out (`fastfood`; norms there are one in the
    mean, and within 3 / sqrt(D) of it).
    """

    inert: ClassVar = {"projection": ("dimension", None)}

    dimension: Annotated[Annotated[int, Field(ge=1)] | None, Field(examples=[100])] = None
    projection: Literal["dense", "sparse", "fastfood"] = "dense"
