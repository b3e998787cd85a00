"""What trained networks say of their data, for studies that ask more than the tables hold."""

from torch import Tensor

from analysis.across.trained import examples
from analysis.across.trained import outputs as outputs_of
from analysis.results import Results


def outputs(results: Results, run_id: str, split: str) -> tuple[Tensor, Tensor]:
    """The logits `(N, C)` in float64 of a run's network, and the labels `(N,)` as the run's last phase has them."""
    inputs, labels = examples(results, run_id, [split])[split]
    return outputs_of(results.network(run_id), inputs).double(), labels
