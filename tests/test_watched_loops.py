"""`watch` in training loops of all kinds, against statistics computed step by step from the definitions."""

import copy
import types

import pytest
import torch
from torch import nn

from benevolent import watch
from benevolent.trainables.errors import BadInput

STEPS = 7
EXAMPLES = 12
COMPARED = (
    "path_length",
    "distance_from_init",
    "relative_distance_from_init",
    "bias_path_length",
    "bias_increment_sum",
    "bias_variance",
    "loss_area",
    "gradient_norm",
    "gradient_noise_scale",
)


def perceptron() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 4)).double()


def tied() -> nn.Module:
    module = perceptron()
    module[2] = nn.Linear(5, 5).double()
    module.insert(3, module[2])
    return module


def frozen() -> nn.Module:
    module = perceptron()
    module[2].requires_grad_(False)
    return module


class Naive:
    """The definitions of `dynamics_names`, in one pass over what every step did."""

    def __init__(self, module: nn.Module, optimizer, trained=None) -> None:
        self.module = module
        self.optimizer = optimizer
        self.names = [name for name, value in module.named_parameters() if value.requires_grad]
        self.names = [name for name in self.names if trained is None or name in trained]
        self.start = self.read()
        self.states = []
        self.gradients, self.bias_gradients, self.derivatives, self.losses = [], [], [], []
        self.noise = self.signal = 0.0

    def read(self):
        named = dict(self.module.named_parameters())
        return {name: named[name].detach().clone() for name in self.names}

    def before(self, inputs, labels) -> None:
        """Look at the gradient of the mean loss over all examples of the coming step."""
        module = copy.deepcopy(self.module)
        module.zero_grad()
        logits = module(inputs)
        logits.retain_grad()
        losses = nn.functional.cross_entropy(logits, labels, reduction="none")
        losses.mean().backward()
        named = dict(module.named_parameters())
        self.gradients.append(torch.cat([named[name].grad.flatten() for name in self.names]).norm())
        self.bias_gradients.append(named["0.bias"].grad.norm())
        d = logits.grad * len(inputs)
        self.derivatives.append(d.norm(dim=1).mean())
        variance = (d - d.mean(0)).square().sum() / (len(d) - 1)
        self.noise += variance
        self.signal += d.mean(0).square().sum() - variance / len(d)
        self.losses.append(losses.mean().detach())
        self.rate = next(group["lr"] for group in self.optimizer.param_groups if self.has_bias(group))

    def has_bias(self, group) -> bool:
        return any(value is dict(self.module.named_parameters())["0.bias"] for value in group["params"])

    def after(self) -> None:
        self.states.append(self.read())

    def statistics(self) -> dict[str, float]:
        rows = torch.stack([torch.cat([v.flatten() for v in state.values()]) for state in [self.start, *self.states]])
        biases = torch.stack([state["0.bias"] for state in [self.start, *self.states]])
        increments = torch.stack(self.bias_gradients) / torch.stack(self.derivatives)
        distance = (rows[-1] - rows[0]).norm()
        spread = (biases[1:] - biases[1:].mean(0)).square().sum(1).mean()
        values = {
            "path_length": rows.diff(dim=0).norm(dim=1).sum(),
            "distance_from_init": distance,
            "relative_distance_from_init": distance / rows[0].norm(),
            "bias_path_length": biases.diff(dim=0).norm(dim=1).sum(),
            "bias_increment_sum": increments.sum(),
            "bias_variance": spread / self.rate**2,
            "loss_area": torch.stack(self.losses).sum() / STEPS,
            "gradient_norm": torch.stack(self.gradients).mean(),
            "gradient_noise_scale": self.noise / self.signal,
        }
        return {name: float(value) for name, value in values.items()}


def batches():
    """Inputs and labels of each step; two of the four classes, so that examples agree on something."""
    rng = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        labels = torch.randint(2, (EXAMPLES,), generator=rng)
        yield torch.randn(EXAMPLES, 3, generator=rng, dtype=torch.float64), labels


def loss_of(module, inputs, labels):
    return nn.functional.cross_entropy(module(inputs), labels)


def sgd(module, **options):
    return torch.optim.SGD(module.parameters(), **{"lr": 0.1, "momentum": 0.9, **options})


def plain(module, optimizer, inputs, labels, **_):
    optimizer.zero_grad()
    loss = loss_of(module, inputs, labels)
    loss.backward()
    optimizer.step()
    return loss


def clipped(module, optimizer, inputs, labels, **_):
    optimizer.zero_grad()
    loss = loss_of(module, inputs, labels)
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), 0.01)
    optimizer.step()
    return loss


def accumulated(module, optimizer, inputs, labels, **_):
    optimizer.zero_grad()
    total = 0.0
    for part in torch.arange(len(labels)).split(4):
        loss = loss_of(module, inputs[part], labels[part]) / 3
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


def with_closure(module, optimizer, inputs, labels, **_):
    def closure():
        optimizer.zero_grad()
        loss = loss_of(module, inputs, labels)
        loss.backward()
        return loss

    return optimizer.step(closure)


def scaled(module, optimizer, inputs, labels, scaler, **_):
    optimizer.zero_grad()
    loss = loss_of(module, inputs, labels)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    return loss


def scheduled(module, optimizer, inputs, labels, scheduler, **_):
    loss = plain(module, optimizer, inputs, labels)
    scheduler.step()
    return loss


class Sam(torch.optim.Optimizer):
    """Sharpness-aware minimization (Foret et al. 2021), as the widely used implementation by David Samuel has it."""

    def __init__(self, parameters, base=torch.optim.SGD, rho=0.5, **options):
        super().__init__(parameters, {"rho": rho, **options})
        self.base_optimizer = base(self.param_groups, **options)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self):
        values = [value for group in self.param_groups for value in group["params"]]
        norm = torch.stack([value.grad.norm() for value in values]).norm()
        for value in values:
            self.state[value]["old"] = value.data.clone()
            value.add_(value.grad * 0.5 / norm)
        self.zero_grad()

    @torch.no_grad()
    def second_step(self):
        for group in self.param_groups:
            for value in group["params"]:
                value.data = self.state[value]["old"]
        self.base_optimizer.step()
        self.zero_grad()

    @torch.no_grad()
    def step(self, closure):
        self.first_step()
        torch.enable_grad()(closure)()
        self.second_step()


def sam_with_closure(module, optimizer, inputs, labels, **_):
    def closure():
        loss = loss_of(module, inputs, labels)
        loss.backward()
        return loss

    loss = closure()
    optimizer.step(closure)
    return loss


class SamInside(torch.optim.SGD):
    """The same within one call of `step`, where the closure is evaluated twice."""

    @torch.no_grad()
    def step(self, closure):
        closure = torch.enable_grad()(closure)
        loss = closure()
        values = [value for group in self.param_groups for value in group["params"]]
        moves = [0.5 * value.grad for value in values]
        torch._foreach_add_(values, moves)
        closure()
        torch._foreach_sub_(values, moves)
        super().step()
        return loss


class SamByHand:
    """SAM around an optimizer that is watched."""

    @staticmethod
    def train_step(module, optimizer, inputs, labels, unseen=False, **_):
        """Take half of the examples after the other, first at the parameters and then at the perturbed ones."""
        losses = []
        values = list(module.parameters())
        for _ in range(2):
            optimizer.zero_grad()
            for part in torch.arange(len(labels)).split(6):
                loss = loss_of(module, inputs[part], labels[part]) / 2
                loss.backward()
                losses.append(loss.detach())
            if len(losses) > 2:
                break
            kept = [value.detach().clone() for value in values]
            for value in values:
                (value.data if unseen else value.detach()).add_(value.grad)
        with torch.no_grad():
            torch._foreach_copy_(values, kept)
        optimizer.step()
        return losses[0] + losses[1]


def in_place_loss(module, optimizer, inputs, labels, **_):
    """A loop that goes on to use the loss and clears the gradients at once."""
    loss = plain(module, optimizer, inputs, labels)
    optimizer.zero_grad(set_to_none=False)
    return loss


def two_groups(module):
    first, *others = module.children()
    of_others = [value for layer in others for value in layer.parameters()]
    groups = [{"params": of_others}, {"params": first.parameters(), "lr": 0.3}]
    return torch.optim.SGD(groups, lr=0.1)


CASES = {
    "plain": (perceptron, sgd, plain),
    "clipped gradients": (perceptron, sgd, clipped),
    "accumulated gradients": (perceptron, sgd, accumulated),
    "closure": (perceptron, sgd, with_closure),
    "gradients changed by foreach and nesterov": (perceptron, lambda m: sgd(m, foreach=True, nesterov=True), plain),
    "fused": (perceptron, lambda m: torch.optim.Adam(m.parameters(), lr=0.05, fused=True), plain),
    "scaler": (perceptron, sgd, scaled),
    "scaler and fused": (perceptron, lambda m: torch.optim.Adam(m.parameters(), lr=0.05, fused=True), scaled),
    "schedule": (perceptron, sgd, scheduled),
    "learning rate in a tensor": (perceptron, lambda m: sgd(m, lr=torch.tensor(0.1, dtype=torch.float64)), plain),
    "groups": (perceptron, two_groups, plain),
    "frozen": (frozen, sgd, plain),
    "tied": (tied, sgd, plain),
    "LBFGS": (perceptron, lambda m: torch.optim.LBFGS(m.parameters(), lr=0.1, max_iter=4), with_closure),
    "LBFGS with a line search": (
        perceptron,
        lambda m: torch.optim.LBFGS(m.parameters(), max_iter=4, line_search_fn="strong_wolfe"),
        with_closure,
    ),
    "SAM": (perceptron, lambda m: Sam(m.parameters(), lr=0.1), sam_with_closure),
    "SAM within a step": (perceptron, lambda m: SamInside(m.parameters(), lr=0.1), with_closure),
    "SAM by hand, of accumulated gradients": (perceptron, sgd, SamByHand.train_step),
    "cleared gradients": (perceptron, sgd, in_place_loss),
}


@pytest.mark.parametrize("case", CASES)
def test_statistics_follow_their_definitions(case):
    make, make_optimizer, train_step = CASES[case]
    module = make()
    optimizer = make_optimizer(module)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0) if train_step is scaled else None
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    naive = Naive(module, optimizer)
    with watch(module, optimizer, STEPS, scaler=scaler) as path:
        for inputs, labels in batches():
            naive.before(inputs, labels)
            loss = train_step(module, optimizer, inputs, labels, scaler=scaler, scheduler=scheduler)
            naive.after()
            path.step(loss)
    found = path.table.iloc[-1][list(COMPARED)].to_dict()
    assert found == pytest.approx(naive.statistics(), rel=1e-9)


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_that_a_scaler_skips_is_no_step(fused):
    module = perceptron()
    optimizer = torch.optim.Adam(module.parameters(), fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    naive = Naive(module, optimizer)
    with watch(module, optimizer, STEPS, scaler=scaler) as path:
        for number, (inputs, labels) in enumerate(batches()):
            if number == 3:
                before = naive.read()
                path.step(scaled(module, optimizer, inputs * torch.inf, labels, scaler))
                assert all(torch.equal(value, before[name]) for name, value in naive.read().items())
            naive.before(inputs, labels)
            loss = scaled(module, optimizer, inputs, labels, scaler)
            naive.after()
            path.step(loss)
    found = path.table.iloc[-1][list(COMPARED)].to_dict()
    assert found == pytest.approx(naive.statistics(), rel=1e-9)
    assert path.steps == STEPS


def test_a_compiled_module_is_watched_as_the_module_itself():
    tables = []
    for compiles in (False, True):
        module = perceptron()
        called = torch.compile(module, backend="eager") if compiles else module
        optimizer = sgd(module)
        with watch(called, optimizer, STEPS) as path:
            for inputs, labels in batches():
                path.step(plain(called, optimizer, inputs, labels))
        tables.append(path.table)
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [("loop_hooks.MOST_NUMBERS", 1), ("watched_steps.BLOCK_STEPS", 3), ("watched_steps.BLOCK_NUMBERS", 1)],
)
@pytest.mark.parametrize("steps_per_epoch", [2, STEPS, 3 * STEPS])
def test_statistics_do_not_depend_on_when_steps_are_reduced(monkeypatch, name, value, steps_per_epoch):
    tables = []
    for changes in (False, True):
        if changes:
            monkeypatch.setattr(f"benevolent.trainables.training.{name}", value)
        module = perceptron()
        optimizer = sgd(module)
        with watch(module, optimizer, steps_per_epoch, epochs=[0]) as path:
            for inputs, labels in batches():
                path.step(plain(module, optimizer, inputs, labels))
        tables.append(path.table.iloc[-1].to_dict())
    assert tables[0] == pytest.approx(tables[1], rel=1e-12, nan_ok=True)


def test_statistics_may_be_read_between_a_backward_pass_and_its_step():
    tables = []
    for reads in (False, True):
        module = perceptron()
        optimizer = sgd(module)
        with watch(module, optimizer, STEPS) as path:
            for inputs, labels in batches():
                loss = plain(module, optimizer, inputs, labels)
                if reads:
                    path.statistics()
                path.step(loss)
        tables.append(path.table.iloc[-1][list(COMPARED)].to_dict())
    assert tables[0] == pytest.approx(tables[1], rel=1e-12)


class Sequences(nn.Module):
    """Gives logits `(B, T, C)` and the mean loss over the labels that are not -100, as language models do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = perceptron()

    def forward(self, inputs, labels):
        logits = self.layers(inputs)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
        return types.SimpleNamespace(logits=logits, loss=loss)


def test_positions_of_sequences_are_examples_and_padding_is_none():
    """Twelve examples in a batch of three sequences of five positions, against the same ones without padding."""
    tables = []
    for padded in (False, True):
        module = Sequences()
        optimizer = sgd(module)
        with watch(module, optimizer, STEPS) as path:
            for inputs, labels in batches():
                inputs, labels = inputs.view(3, 4, 3), labels.view(3, 4)
                if padded:
                    inputs = nn.functional.pad(inputs, (0, 0, 0, 1), value=2.0)
                    labels = nn.functional.pad(labels, (0, 1), value=-100)
                optimizer.zero_grad()
                (module(inputs, labels).loss / 2).backward()
                optimizer.step()
                path.step()  # half of the loss was minimized, and counts
        tables.append(path.table.iloc[-1][list(COMPARED)].to_dict())
    assert tables[0] == pytest.approx(tables[1], rel=1e-9)


def test_what_cannot_be_watched_is_said_in_one_line():
    module = perceptron()
    with pytest.raises(BadInput, match="Sequential: the optimizer has none of its parameters"):
        watch(module, sgd(perceptron()), 1)
    convolution = nn.Conv2d(1, 2, 1)
    with watch(convolution, sgd(convolution), 1), pytest.raises(BadInput, match=r"logits of shape \(1, 2, 4, 4\)"):
        convolution(torch.ones(1, 1, 4, 4))
    optimizer = sgd(module)
    with watch(module, optimizer, 1) as path:
        inputs, labels = next(batches())
        plain(module, optimizer, inputs, labels)
        with pytest.raises(BadInput, match="say it, step"):
            path.step()
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))]})
        with pytest.raises(BadInput, match="new group of parameters"):
            plain(module, optimizer, inputs, labels)
    with pytest.raises(BadInput, match="in the block that begins"):
        path.step(1.0)


def test_parameters_that_change_unseen_between_backward_passes_are_refused():
    module = perceptron()
    optimizer = sgd(module)
    path = watch(module, optimizer, STEPS, epochs=[0])
    with pytest.raises(BadInput, match="changed after step.., or through `.data` between the passes"), path:
        for inputs, labels in batches():
            path.step(SamByHand.train_step(module, optimizer, inputs, labels, unseen=True))


def test_an_optimizer_that_never_steps_itself_is_named():
    module = perceptron()
    optimizer = Sam(module.parameters(), lr=0.1)
    with watch(module, optimizer, STEPS) as path:
        inputs, labels = next(batches())
        loss_of(module, inputs, labels).backward()
        optimizer.first_step()
        loss = loss_of(module, inputs, labels)
        loss.backward()
        optimizer.second_step()
        with pytest.raises(BadInput, match="of the optimizer, Sam; if another one makes its steps, as the `base_opt"):
            path.step(loss)


def test_a_loss_that_is_evaluated_twice_at_the_same_parameters_is_refused():
    class Twice(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure):
            torch.enable_grad()(closure)()
            torch.enable_grad()(closure)()

    module = perceptron()
    optimizer = Twice(module.parameters(), lr=0.1)
    inputs, labels = next(batches())
    with watch(module, optimizer, STEPS), pytest.raises(BadInput, match="Twice evaluates the loss 2 times in a step"):
        with_closure(module, optimizer, inputs, labels)
