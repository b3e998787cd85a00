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
    """CPUs and GPUs of one cohort, and its number of runs (by default planned from the cohorts that can train at once).

    `kernel` and `stack_size` (runs that train in one program) fix what is otherwise chosen when a cohort starts, see
    `trainables.stack.kernel_choice`; the choice is in each cohort's `stacks.json`. `measure_gpus`: the part of a GPU
    that each measuring actor takes. By default one actor measures on an eighth of a GPU of each machine where cohorts
    take a GPU or a part of one, and they get seven eighths of what is asked for; else CPUs measure, as with 0.
    Resources change results in their last digits only, and no `run_id`.
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
