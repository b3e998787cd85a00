"""Multi-run statistics: numbers that need several networks. Numbers or DataFrames out; no plotting.

| statistic | needs | module |
|---|---|---|
| loss along a path, and its barrier (Garipov et al. 2018) | two networks | `mode_connectivity.py` |
| order of units that brings two networks together (Ainsworth et al. 2023) | two networks | `unit_matching.py` |
| path within a sublevel set (Nguyen 2019) | two networks with one wide hidden layer | `sublevel_path.py` |
| intrinsic dimension (Li et al. 2018) | a sweep over `subspace.dimension` | `intrinsic_dimension.py` |
| prequential description length (Blier and Ollivier 2018) | a sweep over `data.train_size` | `description_length.py` |
| two-part code (Blier and Ollivier 2018) | one or more runs | `parameter_codes.py` |
| layer robustness (Zhang et al. 2019) | a sweep over `reset.layers` and `reset.to` | `layer_robustness.py` |
| the same of one network, with controls | `record.measure_at: checkpoints` | `layer_moves.py` |
| loss around steps, covariate shift (Santurkar et al. 2018) | `record.measure_at: checkpoints` | `step_landscape.py` |
| lottery tickets (Frankle and Carbin 2019) | a sweep over `prune.rounds` and `prune.control` | `lottery_tickets.py` |
| information that one run explains of another (Nakkiran et al. 2019) | two runs | `explained_information.py` |
| Gram matrix and moves of two-layer networks (Du et al. 2019) | `model.family: fixed_signs` | `gram_matrix.py` |
| peak of the risk at the interpolation threshold (Belkin et al. 2018) | a sweep over sizes | `double_descent.py` |
| limit of random features (Rahimi and Recht 2007) | the examples | `kernel_machine.py` |
| exact errors of pattern detectors (Brutzkus and Globerson 2019) | `model.family: xord` | `pattern_detectors.py` |
| difficulty of examples (Arpit et al. 2017) | many seeds | `difficulty.py` |
| loss sensitivity of examples, through training (Arpit et al. 2017) | small networks | `loss_sensitivity_of_runs.py` |
| forgetting of examples (Toneva et al. 2019) | `record.measure_at: checkpoints` | `forgetting.py` |
| memorization and influence of examples (Feldman and Zhang 2020) | many seeds with `data.subset` | `memorization.py` |
| effects of predictors across and within configurations | a sweep | `sweep_effects.py` |
| effects pooled over studies (Hartung and Knapp 2001) | sweeps of several studies | `pooled_effects.py` |

Statistics of a sweep have a row for each group of runs. `axes` names the columns that tell groups apart, such as the
width; a row is about all seeds of its group.
"""

from benevolent.analysis.multi_run.answers import Answers, answers_of_runs
from benevolent.analysis.multi_run.description_length import description_length, prequential_blocks
from benevolent.analysis.multi_run.difficulty import difficulty_spread, equal_difficulty, misclassification_rates
from benevolent.analysis.multi_run.double_descent import descents, mean_risks, peaks_at
from benevolent.analysis.multi_run.explained_information import ExplainedInformation, explained_by
from benevolent.analysis.multi_run.fitted_curves import fit_curve, fit_curves
from benevolent.analysis.multi_run.forgetting import forgetting_table, summarize_forgetting
from benevolent.analysis.multi_run.gram_matrix import gram_matrix, infinite_gram_matrix, pattern_changes
from benevolent.analysis.multi_run.intrinsic_dimension import intrinsic_dimension
from benevolent.analysis.multi_run.kernel_machine import fit_kernel_machine
from benevolent.analysis.multi_run.label_codes import fit_inverse_temperature, label_bits, prequential_bits
from benevolent.analysis.multi_run.layer_moves import layer_moves, reset_errors
from benevolent.analysis.multi_run.layer_robustness import layer_drops, layer_robustness, reset_drops
from benevolent.analysis.multi_run.loss_sensitivity_of_runs import loss_sensitivity_table
from benevolent.analysis.multi_run.lottery_tickets import smallest_tickets, ticket_curves, ticket_values
from benevolent.analysis.multi_run.memorization import influence, memorization
from benevolent.analysis.multi_run.mode_connectivity import (
    barrier,
    loss_along_path,
    loss_between_runs,
)
from benevolent.analysis.multi_run.parameter_codes import two_part_code
from benevolent.analysis.multi_run.parameter_path import ParameterPath, linear_path
from benevolent.analysis.multi_run.pattern_detectors import exact_errors
from benevolent.analysis.multi_run.retraining import train_on_examples
from benevolent.analysis.multi_run.step_landscape import landscape_table, shift_table
from benevolent.analysis.multi_run.stored_tensors import stored_tensors
from benevolent.analysis.multi_run.sublevel_path import needed_units, sublevel_path
from benevolent.analysis.multi_run.ticket_sizes import tickets_table, weights_left
from benevolent.analysis.multi_run.unit_matching import match_units, permuted

__all__ = [
    "Answers",
    "ExplainedInformation",
    "ParameterPath",
    "answers_of_runs",
    "barrier",
    "descents",
    "description_length",
    "exact_errors",
    "difficulty_spread",
    "equal_difficulty",
    "explained_by",
    "fit_curve",
    "fit_curves",
    "fit_inverse_temperature",
    "fit_kernel_machine",
    "forgetting_table",
    "gram_matrix",
    "infinite_gram_matrix",
    "influence",
    "intrinsic_dimension",
    "label_bits",
    "landscape_table",
    "layer_drops",
    "layer_moves",
    "layer_robustness",
    "linear_path",
    "loss_along_path",
    "loss_between_runs",
    "loss_sensitivity_table",
    "match_units",
    "mean_risks",
    "memorization",
    "misclassification_rates",
    "needed_units",
    "pattern_changes",
    "peaks_at",
    "permuted",
    "prequential_bits",
    "reset_drops",
    "reset_errors",
    "shift_table",
    "prequential_blocks",
    "smallest_tickets",
    "stored_tensors",
    "sublevel_path",
    "summarize_forgetting",
    "ticket_curves",
    "ticket_values",
    "tickets_table",
    "train_on_examples",
    "two_part_code",
    "weights_left",
]
