"""Where a run starts: its weights, its labels, and the phase before `train`."""

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from benevolent.trainables.config.base import PerRun, Section
from benevolent.trainables.config.data import Corruption, Fraction


def _names_a_run(source: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(source)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("source holds itself, or what is neither a number nor text, list or mapping") from None
    if "seed" in source:
        raise ValueError("source has the seed of the run that asks for it; leave seed out")
    return source


#: Another run, told from the one that names it: dotted fields and their values.
Source = Annotated[dict[str, Any], AfterValidator(_names_a_run)]


Scheme = Literal[
    "kaiming", "xavier", "xavier_normal", "normal", "orthogonal", "zeros", "torch", "run", "kmeans", "reuse"
]


class InitConfig(Section):
    """How weights are drawn, and biases.

    `kaiming`: normal, variance 2 / fan-in (He et al. 2015). `xavier`: uniform on +-sqrt(6 / (fan-in + fan-out)), and
    `xavier_normal`: normal of the same variance (Glorot and Bengio 2010). `normal`: normal with standard deviation
    `std`. `orthogonal`: orthonormal rows or columns (Saxe et al. 2014). `zeros`: for the linear problem of Nakkiran et
    al. 2019, section 5. `torch`: as layers of torch do, weights and biases uniform on +-1 / sqrt(fan-in). All are
    multiplied by `scale`. After that `first` replaces the very first weight: with it, and `normal`, one makes the
    adversarial starts of Nakkiran et al. 2019, section 5.

    Biases start at zero but by `torch`, or normal with standard deviation `bias_std`; those of normalization at zero.

    `run`: as another run of the same network ended. `kmeans`: units are centers of those of a larger
    network, found by k-means (Brutzkus and Globerson 2019); only where no layer reads one whose width differs. `reuse`:
    the weights of a smaller network, and beside them new ones, drawn as by `normal` (Belkin et al. 2018, who widen the
    hidden layer step by step, std 0.1). `source` tells that run from this one: dotted fields and their values; its own
    `init`, and its network where they name `model.family`, have the defaults where they do not say otherwise. `at`: not
    as it ended, but as it was after so many epochs of its last phase (then the sweep must keep checkpoints there; a run
    that had ended before counts as it ended).

    At last `edit`, one of `trainables.models.weight_edits.EDITS`, changes them by `amount`.
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
            raise ValueError("at is of a source, and none is given")
        return self


class LabelsConfig(Section):
    """Labels that another run gives: what its network predicts for the inputs of this one.

    So Nakkiran et al. 2019 (section 4) train small networks on images labeled by a large one. `source` tells that run,
    the teacher, from this one, as `init.source` does: dotted fields and their values; its `labels`, `prune` and
    `reset`, and its network where they name `model.family`, have the defaults where they do not say otherwise. The
    teacher has the seed of this run, and labels the training inputs of every phase as this run sees them, as it ended
    or, with `at`, as it was after so many epochs of its last phase (as in `init.at`); `label_corruption` then changes
    its labels. `held_out`: it labels the validation and the test split too.
    """

    inert: ClassVar = {"at": ("source", None), "held_out": ("source", None)}

    source: Annotated[Source | None, PerRun] = None
    at: Annotated[Annotated[int, Field(ge=0)] | None, PerRun] = None
    held_out: Annotated[bool, PerRun] = False


class PretrainConfig(Section):
    """A phase before `train`, on labels corrupted by `label_corruption` (Liao et al. 2018, random pretraining)."""

    inert: ClassVar = {"label_corruption": ("epochs", 0), "corruption": ("label_corruption", 0)}

    epochs: Annotated[int, Field(ge=0)] = 0
    label_corruption: Annotated[Fraction, PerRun] = 0.0
    corruption: Annotated[Corruption, PerRun] = "redraw"
