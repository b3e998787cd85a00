"""Loss sensitivities through unrolled training, against values worked out by hand and against training anew."""

import numpy as np
import pytest
import torch
from torch import nn

from benevolent.analysis import load_results
from benevolent.analysis.multi_run.loss_sensitivity import StackExamples, loss_sensitivity
from benevolent.analysis.multi_run.loss_sensitivity_of_runs import loss_sensitivity_table
from benevolent.trainables.config.optimization import LossConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.network import Network


def stack_of(module, outputs, inputs, labels, loss, rows):
    network = Network(module, outputs)
    examples = StackExamples(network, torch.zeros(len(inputs), 0), inputs, labels, LossConfig(name=loss))
    tensors = {name: torch.stack([row[name] for row in rows]).double() for name in network.shapes}
    return examples, network.parameters.rows(tensors)


def test_one_step_of_a_linear_model_by_hand():
    """f(x) = w x, loss (w x - y)^2 / 2 on x = 1, y = 1 and x = 2, y = -1; one step on the second example alone.

    With lr 0.1 the step takes w = 1 to w' = 1 - 0.1 (2 + 1) 2 = 0.4, and L_1 = ((w' - 1)^2 + (2 w' + 1)^2) / 4.
    d L_1 / d x_1 = (w' - 1) w' / 2. d L_1 / d w' = ((w' - 1) + (2 w' + 1) 2) / 2 = 1.5, d w' / d x_2 = -0.1 (2 w x + 1)
    = -0.5, and d L_1 / d x_2 = (2 w' + 1) w' / 2 - 0.5 * 1.5.
    """
    inputs = torch.tensor([[[1.0], [2.0]]]).double()
    labels = torch.tensor([[1, 0]])
    rows = [{"0.weight": torch.ones(1, 1)}]
    module = nn.Sequential(nn.Linear(1, 1, bias=False))
    examples, parameters = stack_of(module, 1, inputs, labels, "squared", rows)
    found = loss_sensitivity(examples, parameters, torch.tensor([0.1]).double(), [torch.tensor([[1]])], [1])
    assert found.sensitivities.flatten().tolist() == pytest.approx([0.6 * 0.4 / 2, abs(1.8 * 0.4 / 2 - 0.75)])
    assert examples.network.parameters.views(found.parameters)["0.weight"][0, 0, 0] == pytest.approx(0.4)


def trained_loss(module, tensors, inputs, labels, rate, batches):
    """The mean loss on all examples after some steps of one network, from torch alone."""
    tensors = {name: value.clone().double() for name, value in tensors.items()}
    for positions in batches:
        leaves = {name: value.requires_grad_() for name, value in tensors.items()}
        logits = torch.func.functional_call(module, leaves, (inputs[positions],))
        gradients = torch.autograd.grad(nn.functional.cross_entropy(logits, labels[positions]), list(leaves.values()))
        moved = zip(leaves.items(), gradients, strict=True)
        tensors = {name: (value - rate * gradient).detach() for (name, value), gradient in moved}
    return nn.functional.cross_entropy(torch.func.functional_call(module, tensors, (inputs,)), labels).item()


def test_sensitivities_are_differences_of_training_anew_with_one_input_changed():
    rng = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))
    shapes = {name: value.shape for name, value in module.named_parameters()}
    rows = [{name: torch.randn(*shape, generator=rng) for name, shape in shapes.items()} for _ in range(2)]
    inputs = torch.randn(2, 6, 3, generator=rng).double()
    labels = torch.randint(3, (2, 6), generator=rng)
    batches = [torch.stack([torch.randperm(6, generator=rng)[:3] for _ in range(2)]) for _ in range(5)]
    rates = torch.tensor([0.3, 0.1]).double()
    examples, parameters = stack_of(module, 3, inputs, labels, "cross_entropy", rows)
    found = loss_sensitivity(examples, parameters, rates, batches, [2, 5]).sensitivities
    small = 1e-6
    for place, time in enumerate((2, 5)):
        for network, example in ((0, 0), (0, 4), (1, 2), (1, 5)):
            expected = 0.0
            for pixel in range(3):
                losses = []
                for change in (small, -small):
                    changed = inputs[network].clone()
                    changed[example, pixel] += change
                    steps = [batch[network] for batch in batches[:time]]
                    given = (rows[network], changed, labels[network], rates[network].item(), steps)
                    losses.append(trained_loss(module, *given))
                expected += abs(losses[0] - losses[1]) / (2 * small)
            assert found[place, network, example].item() == pytest.approx(expected, rel=1e-5)


RUN = {
    "data": {"train_size": 40, "validation_size": 0, "test_size": 30},
    "model": {"width": 8, "depth": 2},
    "optimizer": {"batch_size": 15, "lr": 0.1},
    "stop": {"train_loss": None, "max_epochs": 2},
}


def test_the_table_unrolls_the_training_of_runs(cohort, tmp_path):
    """A row per run, time and example, of several cohorts; each must end where its run did, or it would be refused."""
    noisy = RUN | {"data": RUN["data"] | {"pixels": "gaussian"}}
    made = cohort("a", [RUN | {"seed": 0}, noisy | {"seed": 1}]).train()
    alone = cohort("b", [noisy | {"seed": 2}]).train()
    table = loss_sensitivity_table(load_results(tmp_path), every=3)
    assert set(table["run_id"]) == {*made.run_ids, *alone.run_ids}
    assert table.groupby("run_id")["step"].unique().map(list).tolist() == [[3, 6]] * 3
    assert table.groupby(["run_id", "step"])["example"].apply(list).map(lambda rows: rows == list(range(40))).all()
    assert np.isfinite(table["sensitivity"]).all() and (table["sensitivity"] > 0).all()


def test_training_by_more_than_plain_sgd_is_refused(cohort, tmp_path):
    cohort("a", [RUN | {"optimizer": RUN["optimizer"] | {"momentum": 0.9}, "seed": 0}]).train()
    with pytest.raises(BadInput, match="steps of plain SGD end elsewhere"):
        loss_sensitivity_table(load_results(tmp_path), every=3)
