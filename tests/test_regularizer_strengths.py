"""Strengths of regularizers in the study of Arpit et al. 2017."""

from types import SimpleNamespace

import pandas as pd

from benevolent.analysis.studies.shared.memorization_regularizers import EARLY, regularized


def test_early_stopping_has_as_many_strengths_as_other_regularizers():
    rows = []
    outcomes = []
    for corruption in (0.0, 1.0):
        for dropout in (0.0, 0.3, 0.6, 0.8):
            run = f"{corruption}/{dropout}"
            own = {"run_id": run, "seed": 0, "data.label_corruption": corruption, "model.dropout": dropout}
            rows.append(own | {"optimizer.weight_decay": 0.0, "data.input_noise": 0.0})
            for step in (0, 1, 2, 4, 8, 16, 32):
                shared = {"run_id": run, "step": step, "name": "error"}
                outcomes.append(shared | {"split": "train", "value": 0.5 / (1 + step)})
                outcomes.append(shared | {"split": "validation", "value": 0.9 / (1 + step)})
    runs = pd.DataFrame(rows).assign(train_error=0.5 / 33, validation_error=0.9 / 33)
    found = regularized(SimpleNamespace(runs=runs, outcomes=pd.DataFrame(outcomes)))
    early = found[found["regularizer"] == EARLY]
    assert (32 - early["strength"]).tolist() == [1, 4, 16, 32]
    assert early["validation"].tolist() == [1 - 0.9 / (1 + step) for step in (1, 4, 16, 32)]
    assert found.groupby("regularizer")["strength"].nunique()[["dropout", EARLY]].tolist() == [4, 4]
