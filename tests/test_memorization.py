"""Critical inputs, and accuracy on corrupted labels, of modules and of trained cohorts."""

import pytest
import torch
from torch import nn

from benevolent.analysis import load_results
from benevolent.analysis.measures import measure_network, memorization
from benevolent.analysis.measures.missing_measures import ExistingMeasures
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.trainables.store.folder import Folder

SMALL = {"data": {"train_size": 60, "validation_size": 40, "test_size": 50}, "model": {"width": 32, "depth": 2}}


def test_inputs_of_a_linear_classifier_are_critical_where_the_box_crosses_the_boundary(monkeypatch):
    """In a box of half-width r the margin falls by at most r ||w_0 - w_1||_1."""
    draw = torch.Generator().manual_seed(0)
    inputs, module = torch.randn(200, 6, generator=draw).double(), nn.Linear(6, 2).double()
    labels = torch.arange(200) % 2
    monkeypatch.setattr(memorization, "RADIUS", 0.2)
    slope = module.weight[0] - module.weight[1]
    margins = (module(inputs)[:, 0] - module(inputs)[:, 1]).abs() / slope.abs().sum()
    radius = 0.2 * inputs.std(correction=0)
    # Noise leaves the search a little short of the corner of the box.
    low, high = (margins < 0.97 * radius).double().mean().item(), (margins < radius).double().mean().item()
    names = ["critical_sample_ratio_train", "critical_sample_ratio"]
    found = measure_network(module, inputs, labels, measures=names, validation=(inputs[:50], labels[:50]))["value"]
    assert 0.1 < low <= found.iloc[0] <= high < 0.9
    assert found.iloc[1] == pytest.approx((margins[:50] < radius).double().mean().item(), abs=0.021)


def test_memorization_uses_the_true_labels_of_each_run(cohort, tmp_path):
    stop = {"train_loss": None, "max_epochs": 60}
    configs = [
        SMALL | {"data": SMALL["data"] | {"label_corruption": fraction}, "stop": stop, "optimizer": {"lr": 0.1}}
        for fraction in (0.0, 0.5)
    ]
    made = cohort("c", configs).train()
    names = ["clean_train_accuracy", "corrupted_train_accuracy", "critical_sample_ratio", "linear_information"]
    job = ExistingMeasures(Folder(tmp_path)).missing("c", made.files.parameter_files()[-1], names)
    assert job and measure_file(Folder(tmp_path), job).networks == 2
    results = load_results(tmp_path)
    found = results.measures.pivot(index="run_id", columns="name", values="value").loc[made.run_ids]
    statuses = results.measures.pivot(index="run_id", columns="name", values="status").loc[made.run_ids]
    assert statuses["corrupted_train_accuracy"].tolist() == ["undefined: no label is corrupted", "ok"]
    train_error = results.runs.set_index("run_id")["train_error"].loc[made.run_ids]
    assert found["clean_train_accuracy"].iloc[0] == pytest.approx(1 - train_error.iloc[0])
    assert found["corrupted_train_accuracy"].iloc[1] > 0.8 and (statuses["linear_information"] == "ok").all()
    assert found["critical_sample_ratio"].iloc[1] > found["critical_sample_ratio"].iloc[0]
