"""What is asked of networks with as many units as examples, where there are none."""

import pandas as pd

from benevolent.analysis.studies.overparametrized_descent import as_wide_as_examples
from benevolent.analysis.studies.shared.gram_path import GramPath


def path_of(width: int) -> GramPath:
    rows = [{"seed": 0, "width": width, "step": step, "loss": 0.5**step, "distance": 0.1 * step} for step in (0, 1)]
    return GramPath(pd.DataFrame(rows), infinite_least=0.5, step_size=0.1, examples=10)


def test_narrower_networks_leave_it_undecided():
    assert {finding.decision for finding in as_wide_as_examples(path_of(9))} == {"undecided"}
    assert {finding.decision for finding in as_wide_as_examples(path_of(10))} == {"holds"}
