import copy
import math

import pytest
import torch
from torch import nn

from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.rng import RandomStream
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.step_statistics import StepStatistics
from benevolent.trainables.training.dynamics import DERIVATIVE_FLOOR, Dynamics
from benevolent.trainables.training.dynamics_names import DYNAMICS, WINDOW_EPOCHS

SMALL = {"train_size": 50, "validation_size": 20, "test_size": 30}

EARLY = {"early_stop_epoch", "early_stop_loss"}  # with record.early_stop only: see test_early_stop.py


def run(seed: int = 0, **sections) -> dict:
    model, stop = {"width": 8, "depth": 2}, {"train_loss": None, "max_epochs": 13}
    base = {
        "data": SMALL,
        "model": model,
        "stop": stop,
        "optimizer": {"batch_size": 20},
        "precision": "float64",
    }
    return base | {"seed": seed} | sections


class Path:
    """The truth: everything that happens to one network, step by step, in lists."""

    def __init__(self, config: RunConfig) -> None:
        self.config, dataset = config, data.load(config.data, "float64")
        built = built_network.build(config.model, dataset.input_shape, 10)
        self.module = copy.deepcopy(built.module).double().requires_grad_()
        self.module.load_state_dict(built.initial(config.init, config.seed))
        self.first = self.flat()
        self.before = 0.0
        *before, last = config.phases
        for phase in before:
            self.train(dataset, phase)
            self.before += self.length(self.points)
        self.train(dataset, last)

    def flat(self, gradient: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        """All parameters (or their gradient), and the first-layer bias."""
        parts = [p.grad if gradient else p for p in self.module.parameters()]
        return torch.cat([part.detach().flatten() for part in parts]), parts[1].detach().clone()

    def train(self, dataset, phase) -> None:
        given, labels = self.config.optimizer, data.train_labels(dataset, phase, self.config.seed)
        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[given.name]
        optimizer = kind(
            self.module.parameters(),
            lr=given.lr,
            weight_decay=given.weight_decay,
            **({"momentum": given.momentum} if given.name == "sgd" else {}),
        )
        self.points, self.gradients, self.losses, self.derivatives = [self.flat()], [], [], []
        self.by_logits = []
        for epoch in range(phase.max_epochs):
            order = RandomStream(self.config.seed, f"order/{phase.name}", epoch).permutation(len(labels))
            for batch in torch.from_numpy(order).split(given.batch_size):
                logits = self.module(dataset.train.inputs[batch])
                each = nn.functional.cross_entropy(logits, labels[batch], reduction="none")
                (by_logits,) = torch.autograd.grad(each.sum(), logits, retain_graph=True)
                optimizer.zero_grad()
                each.mean().backward()
                self.gradients.append(self.flat(gradient=True))
                self.derivatives.append(float(by_logits.norm(dim=1).mean()))
                self.by_logits.append(by_logits)
                self.losses.append(float(each.mean().detach()))
                optimizer.step()
                self.points.append(self.flat())
            self.epochs, self.steps_per_epoch = epoch + 1, -(-len(labels) // given.batch_size)
            whole = nn.CrossEntropyLoss()(self.module(dataset.train.inputs), labels)
            if phase.train_loss is not None and whole <= phase.train_loss:
                return

    @staticmethod
    def length(points, part: int = 0) -> float:
        return sum(float((b[part] - a[part]).norm()) for a, b in zip(points[:-1], points[1:], strict=True))

    def noise(self) -> tuple[float, float]:
        """Sums over the last epochs of tr Cov(d) and ||E d||^2, by the definition over pairs of examples of a batch."""
        noise = signal = 0.0
        for by_logits in self.by_logits[-WINDOW_EPOCHS * self.steps_per_epoch :]:
            size = len(by_logits)
            if size < 2:
                continue
            products = by_logits @ by_logits.T
            other = (products.sum() - products.trace()) / (size * (size - 1))
            noise += float(products.trace() / size - other)
            signal += float(other)
        return noise, signal

    def epoch_losses(self) -> list[float]:
        """The mean batch loss of every epoch."""
        return torch.tensor(self.losses).view(-1, self.steps_per_epoch).mean(1).tolist()

    def statistics(self) -> dict[str, float]:
        end, start, window = self.points[-1], self.points[0], WINDOW_EPOCHS * self.steps_per_epoch
        increments = [float(g[1].norm()) / e for g, e in zip(self.gradients, self.derivatives, strict=True)]
        recent = torch.tensor(increments[-window:], dtype=torch.float64)
        biases = torch.stack([point[1] for point in self.points[1:][-window:]])
        moves = [after[1] - before[1] for before, after in zip(self.points[:-1], self.points[1:], strict=True)]
        pairs = [float(a @ b) for a, b in zip([torch.zeros_like(moves[0]), *moves[:-1]], moves, strict=True)]
        change = (end[0] - self.first[0]).abs()
        last_epoch = [float(g[0].norm()) for g in self.gradients[-self.steps_per_epoch :]]
        losses = torch.tensor(self.losses[-window:], dtype=torch.float64)
        noise, signal = self.noise()
        values = {
            "late_loss": losses.mean(),
            "late_loss_variance": losses.var(correction=0),
            "gradient_noise_scale": noise / signal if signal > 0 else float("nan"),
            "path_length": self.length(self.points),
            "path_length_from_init": self.before + self.length(self.points),
            "bias_increment_sum": sum(increments),
            "bias_increment_mean": recent.mean(),
            "bias_increment_max": recent.max(),
            "bias_increment_cv": recent.std(correction=0) / recent.mean(),
            "bias_autocorrelation": sum(pairs[-window:]) / sum(float(move @ move) for move in moves[-window:]),
            "relative_distance_from_init": change.norm() / self.first[0].norm(),
            "largest_change_from_init": change.max(),
            "bias_variance": (biases - biases.mean(0)).square().sum(1).mean() / self.config.optimizer.lr**2,
            "loss_area": sum(self.losses) / self.steps_per_epoch,
            "epochs_to_low_loss": next((e + 1 for e, loss in enumerate(self.epoch_losses()) if loss <= 0.1), math.nan),
            "gradient_norm": sum(last_epoch) / len(last_epoch),
            "epochs_to_target": self.epochs,
        }
        for part, prefix in enumerate(["", "bias_"]):
            values[f"{prefix}path_length"] = self.length(self.points, part)
            values[f"{prefix}distance_from_init"] = (end[part] - self.first[part]).norm()
            values[f"{prefix}distance_from_start"] = moved = (end[part] - start[part]).norm()
            values[f"{prefix}straightness"] = moved / self.length(self.points, part)
        return {name: float(value) for name, value in values.items()}


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"pretrain": {"epochs": 3, "label_corruption": 1.0}, "data": SMALL | {"label_corruption": 0.2}},
        {"optimizer": {"batch_size": 20, "momentum": 0.9, "weight_decay": 0.01}},
        {"optimizer": {"batch_size": 20, "name": "adam", "lr": 0.003, "weight_decay": 0.01}},
        {"optimizer": {"batch_size": 1, "lr": 0.01}},
        {"optimizer": {"batch_size": 5, "lr": 0.05, "momentum": 0.9}, "stop": {"train_loss": None, "max_epochs": 30}},
        {"stop": {"train_loss": 1e9, "max_epochs": 9}},
        {"stop": {"train_loss": 1.6, "max_epochs": 60}},
    ],
)
def test_every_statistic_equals_its_definition(cohort, sections):
    trained = cohort("c", [run(seed, **sections) for seed in range(3)]).train()
    for config in trained.configs:
        expected = Path(config).statistics()
        assert expected.keys() == DYNAMICS.keys() - EARLY
        if config.stop.train_loss is None:
            expected["epochs_to_target"] = float("nan")
        rows = trained.table("dynamics").query("run_id == @config.run_id and phase == 'train'")
        at_the_end = rows[rows["step"] == rows["step"].max()].set_index("name")["value"]  # a missing value has no row
        found = {name: at_the_end.get(name, math.nan) for name in expected}
        assert found == pytest.approx(expected, rel=1e-8, nan_ok=True)


@pytest.mark.parametrize(("rate", "size"), [(0.5, 8), (1.0, 4), (0.2, 8)])
def test_the_noise_scale_of_a_quadratic_is_known(rate, size):
    """The loss (b - y)^2 / 2 of one parameter b, y ~ N(0, 1), in the stationary state of SGD.

    There ||E d||^2 = Var b = r / (B (2 - r)) for the learning rate r and batches of B, and Var d = 1. Fresh examples at
    every step move b against their own noise, so that the mean gradient over an epoch is nearly 0.
    """
    draw = torch.Generator().manual_seed(0)
    runs, steps = 300, 50
    b = torch.randn(runs, 1, generator=draw).double() * (rate / (size * (2 - rate))) ** 0.5
    gradient = torch.zeros_like(b)
    dynamics = Dynamics(b, 0)
    for epoch in range(WINDOW_EPOCHS + 3):
        trace = StepStatistics([size] * steps, 1, b, gradient, slice(0, 0))
        for _ in range(steps):
            losses, derivatives = trace.out(size)
            derivatives.copy_((b - torch.randn(runs, size, generator=draw)).unsqueeze(2))
            losses.copy_(derivatives.squeeze(2) ** 2 / 2)
            gradient.copy_(derivatives.mean(1))
            trace.record((losses, derivatives), gradient)
            b -= rate * gradient
        dynamics.add(trace.close(torch.full((runs,), rate)), epoch)
    sums = {name: dynamics.state[f"late_{name}"].sum() for name in ("noise", "signal")}
    assert (sums["noise"] / sums["signal"]).item() == pytest.approx(size * (2 - rate) / rate, rel=0.15)
    found = dynamics.statistics(b, b, b, slice(0, 0), torch.ones(runs))["gradient_noise_scale"]
    known = ~found.isnan()
    own = dynamics.state["late_noise"].sum(1) / dynamics.state["late_signal"].sum(1)
    assert torch.equal(found[known], own[known]) and (own[~known] <= 0).all()


def test_batches_of_one_example_have_no_noise_scale(cohort):
    config = run(optimizer={"batch_size": 1, "lr": 0.01}, stop={"train_loss": None, "max_epochs": 1})
    trained = cohort("c", [config]).train()
    assert math.isnan(trained.value(trained.run_ids[0], "gradient_noise_scale"))


def test_slices_of_a_stack_give_the_statistics_of_the_whole(cohort):
    configs = [run(seed) for seed in range(5)]
    whole, cut = (cohort(f"c{size}", configs, plan=("loop", size)).train() for size in (5, 2))
    assert whole.table("dynamics").value.tolist() == pytest.approx(cut.table("dynamics").value.tolist(), rel=1e-9)


def test_with_batches_of_one_the_increment_is_that_of_loukas(cohort):
    trained = cohort("c", [run(optimizer={"batch_size": 1, "lr": 0.01})]).train()
    path = Path(trained.configs[0])
    pairs = zip(path.points[:-1], path.points[1:], path.derivatives, strict=True)
    increments = [float((after[1] - before[1]).norm()) / (0.01 * eps) for before, after, eps in pairs]
    (run_id,), window = trained.run_ids, WINDOW_EPOCHS * SMALL["train_size"]
    assert trained.value(run_id, "bias_increment_sum") == pytest.approx(sum(increments), rel=1e-8)
    assert trained.value(run_id, "bias_increment_mean") == pytest.approx(sum(increments[-window:]) / window, rel=1e-8)


def after_epoch(derivatives: list[float]) -> dict[str, torch.Tensor]:
    """The statistics after one epoch with these derivatives, and gradients of the bias of size 3."""
    bias, whole = torch.zeros(1, 2, dtype=torch.float64), slice(0, 2)
    gradient = torch.tensor([[3.0, 0]]).double()
    trace, dynamics = StepStatistics([1] * len(derivatives), 2, bias, gradient, whole), Dynamics(bias, 2)
    for derivative in derivatives:
        losses, by_logits = trace.out(1)
        losses.zero_(), by_logits.copy_(torch.tensor([[[derivative, 0]]]))
        trace.record((losses, by_logits), gradient)
    dynamics.add(trace.close(torch.ones(1)), 0)
    return dynamics.statistics(bias, bias, bias, whole, torch.ones(1))


def test_below_the_floor_of_the_derivative_an_increment_is_missing_and_not_huge():
    names = [name for name in DYNAMICS if name.startswith("bias_increment")]
    missing = after_epoch([DERIVATIVE_FLOOR / 2, 0.0, float("nan")])
    assert all(missing[name].isnan().all() for name in names)
    mixed = after_epoch([DERIVATIVE_FLOOR / 2, 0.5, 1.5])
    assert [mixed[name].item() for name in names] == pytest.approx([8, 4, 6, 0.5])


def test_a_network_without_first_bias_has_no_rows_about_it(cohort):
    trained = cohort("c", [run(model={"width": 8, "depth": 2, "bias": "none"})]).train()
    names = set(trained.table("dynamics").name)
    assert (
        names
        == {name for name in DYNAMICS if not name.startswith("bias_")}
        - {"epochs_to_target", "epochs_to_low_loss"}
        - EARLY
    )


def test_rows_come_at_the_recorded_epochs_and_at_the_end(cohort):
    fixed, spaced = cohort("a", [run()], record={"epochs": [2, 5]}).train(), cohort("b", [run()]).train()
    assert sorted(set(fixed.table("outcomes").step)) == [6, 15, 39]
    assert sorted(set(spaced.table("dynamics").epoch)) == [0, 1, 2, 4, 8, 13]
    assert not spaced.table("dynamics").value.isna().any()
