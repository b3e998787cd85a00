"""Statistics across runs: what several networks say together, and none of them alone. Numbers or DataFrames out.

| statistic | of | in |
|---|---|---|
| loss along a path, and its barrier (Garipov et al. 2018; Frankle et al. 2020) | two networks | `paths.py` |
| intrinsic dimension (Li et al. 2018) | a sweep over `subspace.dimension` | `intrinsic.py` |
| prequential description length (Blier and Ollivier 2018) | a sweep over `data.train_size` | `description.py` |
| layer robustness (Zhang, Bengio and Singer 2019) | a sweep over `reset.layers` and `reset.to` | `layers.py` |
| lottery tickets (Frankle and Carbin 2019) | a sweep over `prune.rounds` and `prune.control` | `tickets.py` |
| what one run explains of another (Nakkiran et al. 2019) | two runs | `agreement.py` |

Those of a sweep have a row for each study: `axes` names the columns that tell studies apart, such as the width; the
seeds of a study are taken together.
"""

from benevolent.analysis.multi_run.agreement import Agreement, agreement
from benevolent.analysis.multi_run.description_length import (
    description_length,
    fitted_scale,
    label_bits,
    prequential_bits,
)
from benevolent.analysis.multi_run.intrinsic_dimension import intrinsic_dimension
from benevolent.analysis.multi_run.layer_robustness import layer_drops, layer_robustness
from benevolent.analysis.multi_run.lottery_tickets import smallest_tickets, ticket_curves, weights_left
from benevolent.analysis.multi_run.mode_connectivity import (
    Path,
    barrier,
    fitted_curve,
    loss_along,
    loss_between,
    segment,
)

__all__ = [
    "Agreement",
    "Path",
    "agreement",
    "barrier",
    "description_length",
    "fitted_curve",
    "fitted_scale",
    "intrinsic_dimension",
    "label_bits",
    "layer_drops",
    "layer_robustness",
    "loss_along",
    "loss_between",
    "prequential_bits",
    "segment",
    "smallest_tickets",
    "ticket_curves",
    "weights_left",
]
