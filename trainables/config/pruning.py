"""What is done to a network beside its training: pruning, resets, and the space that it moves in."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from benevolent.trainables.config.base import PerRun, Section
from benevolent.trainables.config.data import Fraction


class PruneConfig(Section):
    """Magnitude pruning of the trained dense network, then retraining (Frankle and Carbin 2019).

    In each of `rounds` rounds the `fraction` of the weights still there (biases are kept) of smallest magnitude is held
    at zero, chosen over all layers together (`magnitude`) or within each (`layer_magnitude`). Within each, layers may
    differ: `conv_rate` times the fraction goes of each convolution, `output_rate` times of the output layer. (Conv-2 of
    the source, 10 % and 20 %: fraction 0.2, conv_rate 0.5, output_rate 0.5.) Other parameters are set back to where
    they were at initialization (`init`), at the start of phase `train` (`train`), or stay (`none`), and are trained
    again: a `ticket`. The controls of the last round: the same mask on newly drawn weights (`reinit`), and new weights
    at random places, as many in each layer (`random_mask`). `draw` numbers the draws of a control: others of the same
    ticket, whose dense network and earlier rounds are trained once.
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

    fraction: Annotated[float, Field(ge=0, lt=1), PerRun] = 0.0
    rounds: Annotated[int, Field(ge=0, le=99), PerRun] = 1
    method: Annotated[Literal["magnitude", "layer_magnitude"], PerRun] = "magnitude"
    conv_rate: Annotated[Fraction, PerRun] = 1.0
    output_rate: Annotated[Fraction, PerRun] = 1.0
    rewind: Annotated[Literal["init", "train", "none"], PerRun] = "init"
    control: Annotated[Literal["ticket", "reinit", "random_mask"], PerRun] = "ticket"
    draw: Annotated[int, Field(ge=0), PerRun] = 0

    @model_validator(mode="after")
    def _rates_are_of_layers(self) -> "PruneConfig":
        for name in ("conv_rate", "output_rate"):
            if getattr(self, name) != 1 and self.method != "layer_magnitude":
                raise ValueError(f"{name} needs method 'layer_magnitude'")
        return self

    @property
    def prunes(self) -> bool:
        """Whether anything is pruned."""
        return self.fraction > 0 and self.rounds > 0

    @property
    def round_before(self) -> "PruneConfig":
        """What the network was pruned by whose weights decide the mask."""
        if self.rounds <= 1:
            return PruneConfig()
        return self.model_copy(update={"rounds": self.rounds - 1, "control": "ticket", "draw": 0})

    def pruned_fraction(self, axes: int = 2, output: bool = False) -> float:
        """The fraction of weights that is gone after all rounds, in a layer.

        Args:
            axes: of its weight; a convolution has more than two.
            output: whether it is the output layer of several layers.

        >>> PruneConfig(fraction=0.5, rounds=2, conv_rate=0.5, method="layer_magnitude").pruned_fraction(axes=4)
        0.4375
        """
        rate = self.output_rate if output else self.conv_rate if axes > 2 else 1.0
        return 1 - (1 - rate * self.fraction) ** self.rounds

    @property
    def stream(self) -> str:
        """What tells the draws of a control from the ticket's, and from another control's; empty for a ticket."""
        if not self.prunes or self.control == "ticket":
            return ""
        return f"/{self.control}" + (f"/{self.draw}" if self.draw else "")


class ResetConfig(Section):
    """Layers of the trained network set back, without training after that (Zhang, Bengio and Singer 2019).

    `layers`: numbers of the layers with weights, from 1. `to`: the parameters they had at initialization (`init`) or
    after so many epochs of their last phase (then the sweep must keep checkpoints there; a run that had ended before
    stays as it ended), or newly drawn ones (`random`). Layers of normalization have no weights and stay.
    """

    inert: ClassVar = {"to": ("layers", [])}

    layers: Annotated[list[Annotated[int, Field(ge=1)]], PerRun] = []
    to: Annotated[Literal["init", "random"] | Annotated[int, Field(ge=0)], PerRun] = "init"

    @model_validator(mode="after")
    def _layers_have_one_spelling(self) -> "ResetConfig":
        if self.layers != sorted(set(self.layers)):
            raise ValueError("layers are different numbers, the smallest first")
        return self


class SubspaceConfig(Section):
    """Training in a random subspace of `dimension` dimensions through the start (Li et al. 2018).

    theta = theta_0 + P phi. P has columns of norm one: normal numbers (`dense`), sparse with density 1 / sqrt(D)
    (`sparse`), or a product of Hadamard matrices, signs, a permutation and normal numbers that is never written out
    (`fastfood`; norms there are one in the mean, and within 3 / sqrt(D) of it).
    """

    inert: ClassVar = {"projection": ("dimension", None)}

    dimension: Annotated[int, Field(ge=1)] | None = None
    projection: Literal["dense", "sparse", "fastfood"] = "dense"
