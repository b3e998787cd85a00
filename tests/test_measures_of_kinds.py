"""Measures of networks with BatchNorm, of other losses and targets, and of data sets that do not fit in memory."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector

from benevolent.analysis import load_results
from benevolent.analysis.measures import MEASURES, Measure, measure_network, measure_stack, measured_network
from benevolent.analysis.measures.missing_measures import ExistingMeasures
from benevolent.analysis.measures.network_stack import loss_of_logits
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.trainables import data, models
from benevolent.trainables.data import Inputs
from benevolent.trainables.optimization.losses import LOSSES
from benevolent.trainables.stack.batchnorm_folding import fold_batchnorm
from benevolent.trainables.stack.network import Network
from benevolent.trainables.store.folder import Folder

OF_WEIGHTS = ["log_frobenius_product", "spectral_sum", "path_norm", "margin_p10_frobenius", "normalized_train_loss"]


def trained(module: nn.Module, shape: tuple[int, ...], seed: int) -> nn.Module:
    """A module in float64 with statistics of BatchNorm that training could have left."""
    torch.manual_seed(seed)
    module = module.double().train()
    for parameter in module.parameters():
        parameter.data = torch.randn_like(parameter) / 2
    module(3 * torch.randn(16, *shape).double() + 1)
    return module.eval()


def stacked(modules: list[nn.Module]) -> tuple[Network, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    network = Network(copy.deepcopy(modules[0]))
    states = [module.state_dict() for module in modules]
    parts = [
        {n: torch.stack([s[n] for s in states]) for n in part.shapes} for part in (network.parameters, network.buffers)
    ]
    return network, *parts


def test_measures_of_weights_fold_batchnorm():
    shape = (1, 8, 8)
    modules = [trained(models.puzzles_bn(shape, 3, width=2), shape, seed) for seed in range(2)]
    inputs, labels = torch.randn(6, *shape).double(), torch.arange(6) % 3
    network, parameters, buffers = stacked(modules)
    table = measure_stack(network, parameters, None, {"train": (inputs, labels)}, OF_WEIGHTS, buffers)
    assert set(table["status"]) == {"ok"}
    for position, module in enumerate(modules):
        expected = measure_network(fold_batchnorm(module), inputs, labels, measures=OF_WEIGHTS)["value"]
        values = table[table["position"] == position].set_index("name")["value"]
        assert values.to_dict() == pytest.approx(expected.to_dict(), rel=1e-6)


def test_distances_from_init_fold_batchnorm_as_it_was_before_training():
    shape = (1, 8, 8)
    made = [models.puzzles_bn(shape, 3, width=2).double() for _ in range(2)]
    init = [copy.deepcopy(module).eval() for module in made]
    modules = [trained(module, shape, seed) for seed, module in enumerate(made)]
    inputs, labels = torch.randn(6, *shape).double(), torch.arange(6) % 3
    (_, start, _), (network, parameters, buffers) = stacked(init), stacked(modules)
    names = ["frobenius_distance_sum", "spectral_distance_sum", "log_spectral_complexity", "distance_over_spectral"]
    table = measure_stack(network, parameters, start, {"train": (inputs, labels)}, names, buffers)
    assert set(table["status"]) == {"ok"}
    for position, (module, before) in enumerate(zip(modules, init, strict=True)):
        folded = [fold_batchnorm(one) for one in (module, before)]
        values = table[table["position"] == position].set_index("name")["value"]
        expected = measure_network(folded[0], inputs, labels, folded[1], names)["value"]
        assert values.to_dict() == pytest.approx(expected.to_dict(), rel=1e-6)
        weights = [[value.detach() for value in one.parameters() if value.ndim >= 2] for one in folded]
        distances = [math.sqrt((one - other).square().sum()) for one, other in zip(*weights, strict=True)]
        assert values["frobenius_distance_sum"] == pytest.approx(sum(distances), rel=1e-9)


def test_the_loss_of_a_resnet_is_normalized_by_its_output_on_one_image():
    module = trained(models.resnet((3, 8, 8), 10, depth=8, width=3), (3, 8, 8), 0)
    inputs, labels = torch.randn(6, 3, 8, 8).double(), torch.arange(6)
    table = measure_network(module, inputs, labels)
    outputs = module(inputs).detach().numpy()
    scaled = outputs / math.sqrt((outputs[0] ** 2).sum())
    losses = [math.log(sum(math.exp(z) for z in row)) - row[y] for row, y in zip(scaled, labels.tolist(), strict=True)]
    found = table.loc["normalized_train_loss_by_output"]
    assert found["status"] == "ok" and found["value"] == pytest.approx(sum(losses) / 6, rel=1e-9)
    assert table.loc["normalized_train_loss", "status"].startswith("not applicable: needs nn.Sequential")


def test_batchnorm_that_cannot_be_folded_is_a_reason():
    module = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))
    table = measure_network(module, torch.randn(5, 4), torch.arange(5) % 3)
    assert table.loc["frobenius_sum", "status"].startswith("not applicable: needs layers that BatchNorm can be folded")
    assert table.loc["sharpness", "status"] == "ok"


@pytest.mark.parametrize(
    ("name", "outputs", "labels"),
    [
        ("cross_entropy", 3, torch.tensor([0, 2, 1, 1])),
        ("squared", 3, torch.tensor([0, 2, 1, 1])),
        ("squared", 1, torch.tensor([0, 1, 1, 0])),
        ("squared", 1, torch.tensor([0.5, -1.0, 2.0, 0.0]).double()),
        ("logistic", 1, torch.tensor([0, 1, 1, 0])),
        ("hinge", 1, torch.tensor([0, 1, 1, 0])),
    ],
)
def test_both_forms_of_a_loss_have_the_same_values(name, outputs, labels):
    outputs_of = 3 * torch.randn(4, outputs, generator=torch.Generator().manual_seed(0)).double()
    seen = outputs_of if outputs > 1 else torch.cat([torch.zeros_like(outputs_of), outputs_of], 1)
    for margin in (1.0, 2.5):
        losses = LOSSES[name].having(margin).function(outputs_of, labels, None)[0]
        torch.testing.assert_close(loss_of_logits(name, outputs, margin)(seen, labels), losses)


@pytest.mark.parametrize(("name", "margin"), [("squared", 1.0), ("logistic", 1.0), ("hinge", 0.25), ("hinge", 4.0)])
def test_sharpness_and_fisher_rao_norm_use_the_minimized_loss(name, margin):
    module = trained(models.mlp((3,), 1, width=4, depth=2), (3,), 0)
    inputs = torch.randn(7, 3).double()
    labels = torch.randn(7).double() if name == "squared" else torch.arange(7) % 2
    network = Network(copy.deepcopy(module), 1)
    parameters = {n: value.detach().unsqueeze(0) for n, value in module.named_parameters()}
    kind = {"loss": name, "margin": margin}
    table = measure_stack(network, parameters, None, {"train": (inputs, labels)}, **kind).set_index("name")
    own = measure_network(module, inputs, labels, **kind)
    expected = pytest.approx(own["value"].dropna().to_dict(), rel=1e-5)  # alone it rounds otherwise
    assert table["value"].dropna().to_dict() == expected

    theta, shapes = parameters_to_vector(module.parameters()).detach(), [p.shape for p in module.parameters()]

    def losses(vector: torch.Tensor) -> torch.Tensor:
        parts = [p.view(s) for p, s in zip(vector.split([s.numel() for s in shapes]), shapes, strict=True)]
        named = dict(zip(parameters, parts, strict=True))
        z = torch.func.functional_call(module, named, (inputs,)).squeeze(1)
        signed = (2 * labels - 1) * z
        kinds = {"squared": (z - labels).square() / 2, "logistic": torch.log1p(torch.exp(-signed))}
        return kinds.get(name, (margin - signed).relu())

    hessian = torch.autograd.functional.hessian(lambda vector: losses(vector).mean(), theta)
    radial = torch.autograd.functional.jacobian(losses, theta) @ theta
    assert table.loc["sharpness", "value"] == pytest.approx(torch.linalg.eigvalsh(hessian)[-1].item(), rel=1e-5)
    assert table.loc["fisher_rao_norm", "value"] == pytest.approx(math.sqrt(radial.square().mean()), rel=1e-9)
    status = table.loc["margin_p10", "status"]
    assert status == ("not applicable: needs classes; the targets are real numbers" if name == "squared" else "ok")


def test_examples_in_batches_and_as_bytes_give_the_same_values(monkeypatch):
    module = trained(models.puzzles_cnn((1, 8, 8), 3, filters=2, kernel=3), (1, 8, 8), 0)
    pixels, labels = torch.randint(0, 256, (1, 11, 1, 8, 8), dtype=torch.uint8), torch.arange(11) % 3
    mean, deviation = torch.full((1, 1, 1, 1), 100.0).double(), torch.full((1, 1, 1, 1), 50.0).double()
    kept = Inputs(pixels, torch.zeros(1, dtype=torch.long), torch.float64, mean, deviation)
    floats = measure_network(module, kept.rows()[0], labels)
    network, parameters, _ = stacked([module])
    given = []
    monkeypatch.setattr(measured_network, "ACTIVATIONS", 2000)
    rows = Inputs.rows
    monkeypatch.setattr(Inputs, "rows", lambda self, *place: given.append(rows(self, *place)) or given[-1])
    table = measure_stack(network, parameters, None, {"train": (kept, labels)}).set_index("name")
    assert max(part.shape[1] for part in given) < 11
    ok = table[table["status"] == "ok"]
    assert set(ok.index) == set(floats[floats["status"] == "ok"].index)
    assert ok["value"].to_dict() == pytest.approx(floats.loc[ok.index, "value"].to_dict(), rel=1e-5)


KINDS = {
    "real targets": (
        {"data": {"name": "frequency", "train_size": 40, "validation_size": 0, "test_size": 20}},
        "squared",
    ),
    "hinge": ({"data": {"name": "xord", "train_size": 40, "validation_size": 0, "test_size": 20}}, "hinge"),
    "logistic": (
        {"data": {"classes": "odd_even", "train_size": 40, "validation_size": 9, "test_size": 20}},
        "logistic",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_runs_of_every_kind_are_measured_and_read_back(kind, cohort, tmp_path):
    config, loss = KINDS[kind]
    config = config | {"loss": {"name": loss}, "model": {"width": 6, "depth": 2}, "stop": {"max_epochs": 2}}
    made = cohort("c", [config | {"seed": seed} for seed in range(2)]).train()
    job = ExistingMeasures(Folder(tmp_path)).missing("c", made.files.parameter_files()[-1], None)
    assert job and measure_file(Folder(tmp_path), job).networks == 2
    results = load_results(tmp_path)
    assert results.measures["status"].str.startswith(("ok", "not applicable")).all()
    assert {"sharpness", "lipschitz_mean"} <= set(results.measures.query("status == 'ok'")["name"])
    run = results.runs.iloc[0]
    test = data.load(results.config(run.run_id).data).test
    outputs = results.network(run.run_id)(test.inputs)
    losses = LOSSES[loss].function(outputs.detach(), test.labels, None)[0]
    assert losses.double().mean().item() == pytest.approx(run.test_loss, rel=1e-6)


@pytest.mark.slow
def test_a_torchvision_network_is_measured_and_left_unchanged():
    from torchvision.models import resnet18

    module = resnet18(num_classes=10).train()
    module.conv1.requires_grad_(False)
    before = copy.deepcopy(module.state_dict())
    names = ["parameter_count", "parameter_norm", "frobenius_sum", "log_frobenius_product", "margin_p10"]
    table = measure_network(module, torch.randn(4, 3, 32, 32), torch.arange(4), measures=names)
    assert set(table["status"]) == {"ok"} and module.training and not module.conv1.weight.requires_grad
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


BORDERED = {
    "conv with a dense layer": lambda: models.puzzles_cnn((1, 8, 8), 3, filters=2, kernel=3),
    "conv with adaptive pooling": lambda: nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)
    ),
}


@pytest.mark.parametrize("architecture", BORDERED)
def test_stored_images_with_a_crop_border_give_the_same_measures(architecture):
    module = trained(BORDERED[architecture](), (1, 8, 8), 0)
    images, labels = torch.randn(1, 11, 1, 12, 12).double(), torch.arange(11) % 3
    network, parameters, _ = stacked([module])
    names = ["path_norm", "path_norm_l1", "path_norm_over_margin", "lipschitz_max_noise", "lipschitz_max"]
    bordered = Inputs(images, torch.zeros(1, dtype=torch.long), torch.float64, border=2)
    tables = [
        measure_stack(network, parameters, None, {"train": (inputs, labels)}, names)
        for inputs in (bordered, images[0, ..., 2:-2, 2:-2])
    ]
    assert set(tables[0]["status"]) == {"ok"}
    assert tables[0]["value"].tolist() == pytest.approx(tables[1]["value"].tolist(), rel=1e-12)


def test_the_traceback_of_a_failing_measure_is_logged(monkeypatch, caplog):
    def failing(network):
        raise RuntimeError("no luck")

    monkeypatch.setitem(MEASURES, "failing", Measure(failing, 1, "none", "nowhere"))
    table = measure_network(nn.Linear(2, 2), torch.eye(2), torch.tensor([0, 1]), measures=["failing"])
    assert table["status"].tolist() == ["error: RuntimeError: no luck"]
    assert "measure failing: Traceback" in caplog.text and 'raise RuntimeError("no luck")' in caplog.text
