"""Configuration of the start of a run: its initial weights, its labels, and the phase before `train`."""

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from benevolent.trainables.config.base import Section
from benevolent.trainables.config.data import Corruption, Fraction
from benevolent.trainables.per_run_fields import PerRun


def _names_a_run(source: dict[str, Any]) -> dict[str, Any]:
    """Check that a source can be written as JSON, and leaves out the seed."""
    try:
        json.dumps(source)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("source may hold numbers, text, lists and mappings only, and not itself") from None
    if "seed" in source:
        raise ValueError("source has the seed of the run that names it; leave seed out")
    return source


#: The fields in which another run differs from the one that names it: dotted names and values.
Source = Annotated[dict[str, Any], AfterValidator(_names_a_run)]


Scheme = Literal[
    "kaiming", "xavier", "xavier_normal", "normal", "orthogonal", "zeros", "torch", "run", "kmeans", "reuse"
]


class InitConfig(Section):
    """The initial weights and biases.

    `scheme`: how weights are drawn. `kaiming`: normal, variance 2 / fan-in (He et al. 2015). `xavier`: uniform on
    +-sqrt(6 / (fan-in + fan-out)), and `xavier_normal`: normal of the same variance (Glorot and Bengio 2010).
    `normal`: normal with the given deviation. `orthogonal`: orthonormal rows or columns (Saxe et al. 2014). `zeros`:
    for the linear problem of Nakkiran et al. 2019, section 5. `torch`: as layers of torch do, weights and biases
    uniform on +-1 / sqrt(fan-in). `run`: not drawn, but the final parameters of another run of the same network.
    `kmeans`: units are the centers of those of a larger network, found by k-means (Brutzkus and Globerson 2019); only
    where no layer reads one whose width differs. `reuse`: the weights of a smaller network, and beside them new ones,
    drawn as by `normal` (Belkin et al. 2018, who widen the hidden layer step by step, std 0.1).

    `scale`: multiplies the drawn weights. `std`: the standard deviation of the schemes `normal` and `reuse`.
    `bias_std`: biases are normal with this standard deviation; at 0 they start at zero, except by `torch`. Those of
    normalization layers start at zero. `first`: replaces the very first weight: together with `normal` it makes the
    adversarial starts of Nakkiran et al. 2019, section 5.

    `source`: the run whose weights `run`, `kmeans` and `reuse` take, named by the fields in which it differs from this
    one: dotted names and values. Fields of its `init`, and of its network if `model.family` is among them, have their
    defaults unless they are set here. `at`: take the parameters after this many epochs of its last phase (then the
    sweep must keep checkpoints there; of a run that ended earlier, the final ones).

    `edit`: a last change of the weights: `shrink` multiplies them by the amount, and `perturb` adds normal noise of the
    amount times their root mean square (Ash and Adams 2020). `amount`: the size of that change.
    """

    inert: ClassVar = {
        "scale": ("scheme", ("run", "zeros")),
        "bias_std": ("scheme", ("torch", "run", "kmeans")),
        "first": ("scheme", ("run", "kmeans", "reuse")),
        "amount": ("edit", None),
    }

    scheme: Annotated[Scheme, PerRun] = "kaiming"
    scale: Annotated[float, Field(gt=0), PerRun] = 1.0
    std: Annotated[Annotated[float, Field(gt=0)] | None, PerRun] = None
    bias_std: Annotated[float, Field(ge=0), PerRun] = 0.0
    first: Annotated[float | None, PerRun] = None
    source: Annotated[Source | None, PerRun] = None
    at: Annotated[Annotated[int, Field(ge=0)] | None, PerRun] = None
    edit: Annotated[str | None, PerRun] = None
    amount: Annotated[float, PerRun] = 1.0

    @model_validator(mode="after")
    def _fields_go_with_their_scheme(self) -> "InitConfig":
        if (self.scheme in ("normal", "reuse")) != (self.std is not None):
            raise ValueError("schemes 'normal' and 'reuse' need std, and only they take it")
        if (self.scheme in ("run", "kmeans", "reuse")) != (self.source is not None):
            raise ValueError("schemes 'run', 'kmeans' and 'reuse' need source, and only they take it")
        if self.at is not None and self.source is None:
            raise ValueError("`at` needs `source`")
        return self


class LabelsConfig(Section):
    """Labels from a teacher: the classes that another run's network predicts for the inputs of this run.

    Nakkiran et al. 2019 (section 4) train small networks on images labeled by a large one in this way. The teacher has
    the seed of this run, and labels the training inputs of every phase as this run sees them; `data.label_corruption`
    then changes its labels.

    `source`: the teacher, named by the fields in which it differs from this run, as in `init.source`. Fields of its
    `labels`, `prune` and `reset`, and of its network if `model.family` is among them, have their defaults unless they
    are set here. `at`: the teacher as it was after this many epochs of its last phase (see `init.at`); without it, its
    final parameters. `held_out`: it labels the validation and the test split too.
    """

    inert: ClassVar = {"at": ("source", None), "held_out": ("source", None)}

    source: Annotated[Source | None, Field(examples=[{"model.width": 512}]), PerRun] = None
    at: Annotated[Annotated[int, Field(ge=0)] | None, PerRun] = None
    held_out: Annotated[bool, PerRun] = False


class PretrainConfig(Section):
    """A phase before `train`, on corrupted labels (Liao et al. 2018, random pretraining).

    `epochs`: its length; 0 leaves it out. `label_corruption`: the fraction of labels that are corrupted in it.
    `corruption`: in which way, as `data.corruption`.
    """

    inert: ClassVar = {"label_corruption": ("epochs", 0), "corruption": ("label_corruption", 0)}

    epochs: Annotated[int, Field(ge=0, examples=[10])] = 0
    label_corruption: Annotated[Fraction, PerRun] = 0.0
    corruption: Annotated[Corruption, PerRun] = "redraw"
