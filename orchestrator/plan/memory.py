"""Memory of one cohort, and the size of cohorts whose runs have inputs of their own."""

from collections.abc import Sequence

import torch

from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data.memory import own_input_bytes
from benevolent.trainables.machine_cpus import machine_cpus
from benevolent.trainables.machine_memory import machine_memory_bytes

#: Part of a cohort's memory that inputs may fill; `kernel_choice.SHARE` of it is for the step.
INPUTS_SHARE = 0.25
#: Part of a GPU's memory that the parameters, optimizers, labels and orders of a cohort may fill.
STATE_SHARE = 0.25
#: Memory of a GPU where the machine that plans has none.
ASSUMED_GPU_BYTES = 16 * 2**30


def cohort_memory_bytes(resources: ResourcesConfig) -> float:
    """Return the memory of one cohort: its share of a GPU, or of this machine's memory by its share of the CPUs."""
    if not resources.gpus:
        return machine_memory_bytes() * min(1.0, resources.cpus / machine_cpus())
    known = torch.cuda.is_available()
    total = torch.cuda.get_device_properties(0).total_memory if known else ASSUMED_GPU_BYTES
    return total * resources.gpus


def input_bytes(config: RunConfig) -> int:
    """Return the memory of the inputs that a run shares only with runs of its seed and its `data` section."""
    return own_input_bytes(config.data, 8 if config.precision == "float64" else 4)


def largest_input_bytes(set_bytes: Sequence[int], runs: int) -> int:
    """Return the memory of the inputs of a cohort, if its runs read the largest of the sets.

    Args:
        set_bytes: memory of each distinct set of inputs, as `input_bytes` counts it.
        runs: of the cohort; each reads one set.
    """
    return sum(sorted(set_bytes, reverse=True)[:runs])


def fitting_runs(state_bytes: int, resources: ResourcesConfig) -> int:
    """Return how many runs a cohort on a GPU may have by the memory that each of them takes, in a stack or not.

    Args:
        state_bytes: of one run, from `NetworkCost.state_bytes`.
        resources: of the cohort.

    >>> fitting_runs(2**62, ResourcesConfig(gpus=1))
    1
    """
    available = STATE_SHARE * cohort_memory_bytes(resources)
    return max(1, int(available / max(1, state_bytes)))


def largest_cohort(set_bytes: Sequence[int], resources: ResourcesConfig, max_cohort: int) -> int:
    """Return how many runs a cohort may have, so that the inputs of its runs fit into its memory.

    Args:
        set_bytes: memory of each distinct set of inputs among all runs that may share the cohort.
        resources: of a cohort.
        max_cohort: the bound where memory sets none.
    """
    if not set_bytes:
        return max_cohort
    available = INPUTS_SHARE * cohort_memory_bytes(resources)
    if largest_input_bytes(set_bytes, max_cohort) <= available:
        return max_cohort
    fitting = int(available / max(set_bytes))
    return max(1, min(max_cohort, fitting))
