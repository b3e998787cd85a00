"""What defines a run: `RunConfig`, its sections, and which of their fields may differ inside one stack.

An intervention is one field here, with a default that does nothing, and one function where it acts.
"""

from trainables.config.change import PruneConfig, ResetConfig, SubspaceConfig
from trainables.config.optimisation import LossConfig, OptimizerConfig, StopConfig
from trainables.config.run import ALGORITHM_VERSION, FOREST, Phase, RunConfig, parent_sections, run_id, teacher_sections
from trainables.config.start import InitConfig, LabelsConfig, PretrainConfig
from trainables.data.config import DataConfig

__all__ = [
    "ALGORITHM_VERSION",
    "DataConfig",
    "FOREST",
    "InitConfig",
    "LabelsConfig",
    "LossConfig",
    "OptimizerConfig",
    "Phase",
    "PretrainConfig",
    "PruneConfig",
    "ResetConfig",
    "RunConfig",
    "StopConfig",
    "SubspaceConfig",
    "parent_sections",
    "run_id",
    "teacher_sections",
]
