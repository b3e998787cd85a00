"""Codes of labels: two parts, and what each network of a prequential code costs."""

import math

import pytest
import torch
from test_interventions import DATA, run

from benevolent.analysis import load_results
from benevolent.analysis.multi_run import description_length, prequential_blocks, two_part_code
from benevolent.analysis.multi_run.parameter_codes import rounded
from benevolent.analysis.studies.shared.code_lengths import prequential_codes
from benevolent.trainables import data
from benevolent.trainables.errors import BadInput

FIT = {"optimizer": {"batch_size": 10, "lr": 0.05}, "stop": {"train_loss": None, "max_epochs": 10}}


@pytest.mark.parametrize("precision", [1, 3, 8])
def test_rounded_numbers_are_the_nearest_of_evenly_spaced_ones(precision):
    numbers = torch.randn(500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    low, high = numbers.min(), numbers.max()
    values = torch.linspace(low.item(), high.item(), 2**precision, dtype=torch.float64)
    nearest = values[(numbers[:, None] - values).abs().argmin(1)]
    assert torch.allclose(rounded(numbers, precision), nearest)
    assert rounded(torch.full((3,), 0.7), precision).tolist() == pytest.approx([0.7] * 3)


def test_a_two_part_code_is_parameters_and_what_they_leave_in_doubt(cohort, tmp_path):
    whole = run(data=DATA | {"train_size": 60}, **FIT)
    inside = whole | {"subspace": {"dimension": 9}}
    for place, config in (("whole", whole), ("inside", inside)):
        cohort(place, [config]).train()
    results = load_results(tmp_path)
    runs = results.runs.sort_values("subspace.dimension")  # the whole network is last
    inside_id, whole_id = runs["run_id"]
    kept = runs["train_loss"] * 60 / math.log(2)

    found = two_part_code(results, runs)
    network = results.network(whole_id)
    parameters = sum(tensor.numel() for tensor in network.parameters())
    assert found["numbers"].tolist() == [9, parameters]
    assert found["bits"].tolist() == pytest.approx([32 * 9 + kept.iloc[0], 32 * parameters + kept.iloc[1]], rel=1e-5)
    assert found["ratio"].tolist() == pytest.approx((found["bits"] / (60 * math.log2(10))).tolist())

    (row,) = two_part_code(results, runs[1:], [4]).to_dict("records")
    dataset = data.load(results.config(whole_id).data)
    with torch.no_grad():
        for tensor in network.parameters():
            step = (tensor.max() - tensor.min()) / 15
            tensor.copy_(tensor.min() + ((tensor - tensor.min()) / step).round() * step)
        loss = torch.nn.functional.cross_entropy(network(dataset.train.inputs.float()), dataset.train.labels)
    assert row["label_bits"] == pytest.approx(60 * loss.item() / math.log(2), rel=1e-3)
    tensors = len(list(network.parameters()))
    assert row["parameter_bits"] == 4 * parameters + 64 * tensors
    with pytest.raises(BadInput, match="precision = 4: numbers in a subspace are sent with 32 bits"):
        two_part_code(results, runs[:1], [4])


def test_blocks_add_up_to_the_prequential_code(cohort, tmp_path):
    for size in (20, 60, 150):
        cohort(str(size), [run(data=DATA | {"train_size": size}, **FIT)]).train()
    results = load_results(tmp_path)
    blocks = prequential_blocks(results)
    assert blocks["learned"].tolist() == [20, 60, 150] and blocks["labels"].tolist() == [40, 90, 0]
    (whole,) = description_length(results).to_dict("records")
    assert whole["bits"] == pytest.approx(20 * math.log2(10) + blocks["bits"].sum())
    losses = results.runs.sort_values("data.train_size")["train_loss"]
    kept = losses * blocks["learned"].to_numpy() / math.log(2)
    assert blocks["kept_bits"].tolist() == pytest.approx(kept.tolist(), rel=1e-4)
    assert whole["parameter_bits"] == pytest.approx(whole["bits"] - kept.iloc[-1], rel=1e-4)

    codes = prequential_codes(results, results.runs.assign(model="mlp", replicate=results.runs["seed"]))
    held_out = results.config(results.runs["run_id"].iloc[0]).data.validation_size
    paid = whole["bits"] + held_out * math.log2(10)
    assert codes["ratio"].iloc[-1] == pytest.approx(paid / ((150 + held_out) * math.log2(10)))
    assert codes["kept_ratio"].iloc[-1] == pytest.approx(whole["parameter_bits"] / (150 * math.log2(10)), rel=1e-4)
