"""Interventions on the inputs of a run, drawn from the run's seed.

An intervention is added by writing a function from `Inputs` to `Inputs` and naming it, with the fields of `data:` that
it reads, in `INPUT_INTERVENTIONS`. Which runs share inputs, and what memory they take, follows from that entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.data.corruption import replace_pixels
from benevolent.trainables.data.split import Inputs
from benevolent.trainables.lazy_torch import torch
from benevolent.trainables.rng import RandomStream


@dataclass(frozen=True)
class InputIntervention:
    """A change of the inputs of a split.

    Attributes:
        fields: the fields of `data:` that it reads. Runs with equal values of them and an equal seed share inputs.
        acts_on: returns whether it changes a split, from the `data:` section and the name of the split.
        change: returns the changed inputs, from the inputs, the section, the run's seed, the split and the epoch.
        gives_floats: returns whether inputs that are stored as uint8 become floats.
    """

    fields: tuple[str, ...]
    acts_on: Callable[[DataConfig, str], bool]
    change: Callable[[Inputs, DataConfig, int, str, int], Inputs]
    gives_floats: Callable[[DataConfig], bool]


def pixels_act_on(config: DataConfig, split: str) -> bool:
    """Return whether pixels of a split are replaced: of held-out splits only where all images are permuted alike."""
    replaces = config.pixels != "none" and config.pixels_fraction > 0
    return replaces and (split == "train" or config.pixels == "permuted")


def with_replaced_pixels(inputs: Inputs, config: DataConfig, seed: int, split: str, epoch: int) -> Inputs:
    """Return inputs with permuted, shuffled or Gaussian pixels (Zhang et al. 2017), see `replace_pixels`."""
    if config.pixels == "gaussian":  # noise of the moments of normalized inputs
        noisy = replace_pixels(inputs.rows()[0], config.pixels, config.pixels_fraction, seed, split)
        return Inputs(noisy.unsqueeze(0), inputs.slot, inputs.dtype)
    moved = replace_pixels(inputs.stored[0], config.pixels, config.pixels_fraction, seed, split)
    return replace(inputs, stored=moved.unsqueeze(0))


def with_noise(inputs: Inputs, config: DataConfig, seed: int, split: str, epoch: int) -> Inputs:
    """Return inputs plus independent normal noise of standard deviation `data.input_noise`."""
    clean = inputs.rows()[0]
    step = epoch if config.fresh else 0
    rng = RandomStream(seed, f"input noise/{split}", step)
    numbers = rng.standard_normal(tuple(clean.shape), single=True)
    noise = torch.from_numpy(numbers).to(clean)
    noisy = clean + config.input_noise * noise
    return Inputs(noisy.unsqueeze(0), inputs.slot, inputs.dtype)


INPUT_INTERVENTIONS = (
    InputIntervention(
        fields=("pixels", "pixels_fraction"),
        acts_on=pixels_act_on,
        change=with_replaced_pixels,
        gives_floats=lambda config: config.pixels == "gaussian",
    ),
    InputIntervention(
        fields=("input_noise",),
        acts_on=lambda config, split: config.input_noise > 0 and split == "train",
        change=with_noise,
        gives_floats=lambda config: True,
    ),
)


def interventions_on(config: DataConfig, split: str) -> list[InputIntervention]:
    """Return the interventions that change a split of a run, in the order in which they are made."""
    return [intervention for intervention in INPUT_INTERVENTIONS if intervention.acts_on(config, split)]
