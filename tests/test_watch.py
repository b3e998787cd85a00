"""`watch`: dynamics of a training loop that is not ours are those that a sweep records for the same steps."""

import copy
import types

import numpy as np
import pytest
import torch
from test_training import CNN, MLP, run
from torch import nn

from benevolent import watch
from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import RandomStream
from benevolent.trainables.stack import built_network
from benevolent.trainables.training.dynamics_names import AT_THE_END, DYNAMICS


def plain_loop(config: RunConfig, reduction: str = "mean"):
    """Train a run by a plain loop of torch under `watch`, and return the watched training."""
    dtype = getattr(torch, config.precision)
    dataset = data.load(config.data, config.precision)
    built = built_network.build(config.model, dataset.input_shape, 10)
    module = copy.deepcopy(built.module).to(dtype).requires_grad_().train()
    module.load_state_dict({key: value.to(dtype) for key, value in built.initial(config.init, config.seed).items()})
    given = config.optimizer
    choice = {"lr": given.lr, "weight_decay": given.weight_decay, "momentum": given.momentum}
    optimizer = torch.optim.SGD(module.parameters(), **choice)
    labels = data.train_labels(dataset, config.phases[0], config.seed)
    with watch(module, optimizer, config.steps_per_epoch, reduction=reduction) as path:
        for epoch in range(config.stop.max_epochs):
            order = torch.from_numpy(RandomStream(config.seed, "order/train", epoch).permutation(len(labels)))
            for batch in order.split(given.batch_size):
                optimizer.zero_grad()
                loss = nn.CrossEntropyLoss(reduction=reduction)(module(dataset.train.inputs[batch]), labels[batch])
                loss.backward()
                optimizer.step()
                path.step(loss)
    return path


@pytest.mark.parametrize(("model", "precision"), [(MLP, "float64"), (MLP, "float32"), (CNN, "float64")])
def test_statistics_are_those_of_a_sweep(model, precision, cohort):
    rates = {"lr": 0.02, "weight_decay": 0.01, "momentum": 0.3, "batch_size": 30}
    # 7 steps an epoch, the last of 20 examples.
    config = run(
        1,
        model=model,
        data={"train_size": 200, "label_corruption": 0.1},
        optimizer={"name": "sgd", **rates},
        stop={"train_loss": None, "max_epochs": 13},
        precision=precision,
    )
    trained = cohort("c", [config]).train()
    recorded = trained.table("dynamics").pivot(index="step", columns="name", values="value")
    watched = plain_loop(trained.configs[0]).table.set_index("step")
    assert watched.index.tolist() == recorded.index.tolist()
    tolerance = 1e-7 if precision == "float64" else 5e-3
    for name in DYNAMICS.keys() - set(AT_THE_END):
        found = watched[name].to_numpy()
        expected = recorded[name].to_numpy() if name in recorded else np.full(len(found), np.nan)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=name)


def tiny_loop(steps: int, outputs=None, **options):
    """Train a linear module for some steps of three examples; `outputs` wraps its logits."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    holder = types.SimpleNamespace(module=module, optimizer=optimizer, losses=[])
    with watch(module, optimizer, 2, **options) as holder.path:
        for _ in range(steps):
            loss = nn.functional.cross_entropy(module(torch.eye(3)), torch.tensor([0, 1, 0]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            holder.path.step(loss)
            holder.losses.append(loss.item())
    return holder


def test_rows_are_recorded_after_epochs_and_at_the_end():
    assert tiny_loop(9).path.table["epoch"].tolist() == [0, 1, 2, 4, 4.5]
    assert tiny_loop(9, epochs=[3]).path.table["step"].tolist() == [6, 9]


def test_statistics_can_be_read_at_any_step():
    once = tiny_loop(5)
    torch.manual_seed(0)
    assert once.path.statistics()["loss_area"] == pytest.approx(sum(once.losses) / 2)


def test_a_sum_of_losses_has_the_statistics_of_their_mean():
    config = RunConfig.parse(
        run(0, data={"train_size": 60}, optimizer={"lr": 0.01, "batch_size": 60}, stop={"max_epochs": 2})
    )
    mean = plain_loop(config).table.iloc[-1]
    slower = config.model_copy(update={"optimizer": config.optimizer.model_copy(update={"lr": 0.01 / 60})})
    total = plain_loop(slower, reduction="sum").table.iloc[-1]
    for name in ("path_length", "loss_area", "gradient_norm", "bias_increment_sum", "gradient_noise_scale"):
        assert total[name] == pytest.approx(mean[name], rel=1e-3)


def test_evaluation_between_steps_is_left_out():
    module = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, optimizer, 1) as path:
        module.eval()
        module(torch.eye(3))
        module.train()
        loss = nn.functional.cross_entropy(module(torch.eye(3)), torch.tensor([0, 1, 0]))
        loss.backward()
        optimizer.step()
        path.step(loss)
    assert path.table["step"].tolist() == [0, 1]


def test_hooks_are_removed():
    trained = tiny_loop(1)
    assert not trained.module._forward_hooks
    assert not trained.optimizer._optimizer_step_pre_hooks and not trained.optimizer._optimizer_step_post_hooks


def test_misuse_is_said_in_one_line():
    module = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(BadInput, match="steps_per_epoch: 0; expected a positive integer"):
        watch(module, optimizer, 0)
    with pytest.raises(BadInput, match="initial: parameter 'weight' of shape"):
        watch(module, optimizer, 1, initial={})
    with watch(module, optimizer, 1) as path, pytest.raises(BadInput, match="called once after every"):
        path.step(1.0)
    with watch(module.eval(), optimizer, 1) as path:
        module(torch.eye(3)).sum().backward()
        optimizer.step()
        with pytest.raises(BadInput, match="gave no logits in training mode"):
            path.step(1.0)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"steps_per_epoch": 2.5}, "steps_per_epoch: 2.5; expected an integer"),
        ({"reduction": "none"}, "reduction: 'none'; expected 'mean' or 'sum'"),
        ({"epochs": "all"}, "epochs: 'all'; expected 'log' or a list of integers"),
        ({"epochs": [1.5]}, "epochs: [1.5]; expected 'log' or a list of integers"),
        ({"epochs": [-1]}, "epochs: [-1]; expected 'log' or a list of different epochs >= 0"),
    ],
)
def test_options_that_mean_nothing_are_refused_before_training(options, line):
    module = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(BadInput) as refused:
        watch(module, optimizer, **{"steps_per_epoch": 1, **options})
    assert str(refused.value) == line


def test_a_step_that_was_not_said_is_refused_instead_of_merged_with_the_next():
    module = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, optimizer, 1) as path:
        module(torch.eye(2)).square().sum().backward()
        optimizer.step()
        module(torch.eye(2)).square().sum().backward()
        with pytest.raises(BadInput, match="the last optimizer.step"):
            optimizer.step()
    assert path.steps == 0


def test_a_last_step_that_was_not_said_is_warned_of():
    module = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    path = watch(module, optimizer, 1)
    with pytest.warns(UserWarning, match=r"the last optimizer.step\(\) was not followed by step\(\), and is not"), path:
        for _ in range(2):
            loss = module(torch.eye(2)).square().sum()
            loss.backward()
            optimizer.step()
            if path.steps:
                break  # before its loss is said
            path.step(loss)
    assert path.table["step"].tolist() == [0, 1]
