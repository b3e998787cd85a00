"""The measures of Dziugaite et al. 2020 by their names, against the formulas written out."""

import math

import numpy as np
import pandas as pd
import pytest
from test_measures import Task, make_task, matrices, moved, theta

from benevolent.analysis.measures import MEASURES, measure_network
from benevolent.analysis.measures.robust_generalization import ROBUST_MEASURES, robust_measures
from benevolent.trainables.errors import BadInput


def measured(task: Task) -> pd.DataFrame:
    names = list(dict.fromkeys(name for name, _ in ROBUST_MEASURES.values()))
    values = measure_network(task.module, task.inputs, task.labels, task.init, names)["value"]
    return pd.DataFrame([{"data.train_size": len(task.inputs), **values}])


def test_all_24_measures_are_built_from_registered_ones():
    assert len(ROBUST_MEASURES) == 24 and {name for name, _ in ROBUST_MEASURES.values()} <= set(MEASURES)


def test_measures_of_norms_equal_the_published_formulas():
    task, m = make_task("mlp"), 12
    found = robust_measures(measured(task)).iloc[0]
    spectral, distance = ([np.linalg.norm(w, 2) ** 2 for w in matrices(one)] for one in (task, moved(task)))
    frobenius = [np.linalg.norm(w) ** 2 for w in matrices(task)]
    expected = {
        "params": math.sqrt(theta(task.module).size / m),
        "log_prod_of_spec": (np.log(spectral).sum() - math.log(m)) / 2,
        "log_prod_of_fro": (np.log(frobenius).sum() - math.log(m)) / 2,
        "log_sum_of_fro": (math.log(3) + np.log(frobenius).sum() / 3 - math.log(m)) / 2,
        "fro_over_spec": math.sqrt((np.array(frobenius) / spectral).sum() / m),
        "dist_spec_init": math.sqrt(sum(distance) / m),
        "param_norm": math.sqrt((theta(task.module) ** 2).sum() / m),
        "fro_dist": math.sqrt(((theta(task.module) - theta(task.init)) ** 2).sum() / m),
    }
    assert found[list(expected)].to_dict() == pytest.approx(expected)
    assert found.notna().sum() >= 23  # the last may be a root of a negative bound


def test_a_missing_measure_is_named():
    table = measured(make_task("mlp")).drop(columns="pac_bayes_init")
    with pytest.raises(
        BadInput, match="1 of 24 measures are not in the table.*bth measure RESULTS --measures pac_bayes_init`"
    ):
        robust_measures(table)


def test_a_table_of_results_gives_the_command_with_its_folders():
    table = measured(make_task("mlp")).drop(columns="pac_bayes_init")
    table.attrs["folders"] = ["results/a", "/data/my sweep"]
    with pytest.raises(BadInput, match="bth measure results/a '/data/my sweep' --measures pac_bayes_init`"):
        robust_measures(table)
