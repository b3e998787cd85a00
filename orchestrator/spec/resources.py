"""`ResourcesConfig`: what the cohorts of a sweep take of a machine."""

from typing import Annotated

from pydantic import AfterValidator, Field

from benevolent.trainables.config.base import Section
from benevolent.trainables.stack.kernel_names import Kernel


def _is_whole_above_one(gpus: float) -> float:
    if gpus > 1 and gpus % 1:
        raise ValueError("expected a part of one GPU, or a whole number of them")
    return gpus


#: Part of a GPU that measures beside cohorts.
MEASURING_GPU_SHARE = 1 / 8
#: GPUs as Ray gives them.
Gpus = Annotated[float, Field(ge=0), AfterValidator(_is_whole_above_one)]


class ResourcesConfig(Section):
    """The share of a machine for a cohort, runs that train together; it changes results in their last digits only.

    `cpus`: of one cohort. `gpus`: of one cohort; with 0.25, four cohorts share one. `measure_gpus`: the part of a GPU
    that each measuring actor takes. By default one actor measures on an eighth of a GPU of each machine where cohorts
    take a GPU or a part of one, and they get seven eighths of what is asked for; else CPUs measure, as with 0.

    `cohort_size`: most runs of a cohort; by default planned from the cohorts that can train at once. `kernel`:
    the way in which a stack is computed. `stack_size`: most runs that train in one program, a stack. By default both
    are chosen when a cohort starts (`trainables.stack.kernel_choice`); the choice is in its `stacks.json`.
    """

    cpus: Annotated[float, Field(gt=0)] = 1.0
    gpus: Gpus = 0.0
    measure_gpus: Gpus | None = None
    cohort_size: Annotated[int, Field(ge=1)] | None = None
    kernel: Kernel | None = None
    stack_size: Annotated[int, Field(ge=1)] | None = None

    @property
    def shares_gpus(self) -> bool:
        """True if a part of the GPUs of cohorts measures, since nothing else is asked for."""
        return self.measure_gpus is None and 0 < self.gpus <= 1

    def decided(self) -> "ResourcesConfig":
        """Return the GPUs that cohorts and actors get.

        >>> ResourcesConfig(gpus=1).decided().gpus, ResourcesConfig(gpus=1).decided().measure_gpus
        (0.875, 0.125)
        >>> ResourcesConfig().decided().measure_gpus
        0.0
        """
        if self.shares_gpus:
            gpus = self.gpus * (1 - MEASURING_GPU_SHARE)
            return self.model_copy(update={"gpus": gpus, "measure_gpus": MEASURING_GPU_SHARE})
        return self.model_copy(update={"measure_gpus": self.measure_gpus or 0.0})
