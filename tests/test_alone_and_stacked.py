"""A run is the same alone and in a stack: every family of networks with every intervention, from the registries."""

import numpy as np
import pytest
import torch
from test_interventions import Family, same
from test_models import FAMILIES

from trainables.data import READERS, Part, Raw, Reader
from trainables.edits import EDITS
from trainables.losses import LOSSES
from trainables.models import MODEL_CONFIGS, MODELS
from trainables.optimizers import OPTIMIZERS
from trainables.streams import generator
from trainables.subspace import PROJECTIONS

ODD_OR_EVEN = [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]
#: What is tried on every family; values are sections. A list: the runs that differ in it are in one stack.
INTERVENTIONS: dict[str, list[dict]] = {
    "seeds": [{}],
    "draws": [{"init": {"scheme": scheme, "scale": 0.7}} for scheme in ("kaiming", "xavier", "orthogonal")],
    "more draws": [{"init": {"scheme": scheme, "bias_std": 0.2}} for scheme in ("xavier_normal", "torch")],
    "reuse": [{"init": {"scheme": "reuse", "std": std, "source": {}}} for std in (0.1, 0.2)],  # of a narrower network
    "first": [{"init": {"first": 0.5, "scheme": "normal", "std": 0.1}}],
    "edit": [{"init": {"edit": edit, "amount": 0.5}} for edit in EDITS],
    "corruption": [{"data": {"label_corruption": p}} for p in (0, 0.5)],
    "augment": [{"data": {"augment": "shift_flip"}}],
    "pretrain": [{"pretrain": {"epochs": 1, "label_corruption": p}} for p in (0.3, 1)],
    "prune": [{"prune": {"fraction": f, "method": m}} for f, m in ((0.3, "magnitude"), (0.6, "layer_magnitude"))],
    "rounds": [{"prune": {"fraction": 0.3, "rounds": 2, "rewind": rewind}} for rewind in ("init", "none")],
    "controls": [{"prune": {"fraction": 0.5, "control": control}} for control in ("reinit", "random_mask")],
    "reset": [{"reset": {"layers": [1], "to": to}} for to in ("init", "random", 0)],
    "source": [{"init": {"scheme": "run", "source": {"optimizer.lr": lr}}} for lr in (0.01, 0.03)],
    "schedule": [{"optimizer": {"lr": 0.05, "decay": decay, "momentum": 0.5}} for decay in (0.1, 0.9)],
    "logistic": [{"data": {"classes": ODD_OR_EVEN}, "loss": {"name": "logistic"}}],
    "hinge": [{"data": {"classes": ODD_OR_EVEN}, "loss": {"name": "hinge", "margin": 0.5}}],
    "dropout": [{"model": {"dropout": rate}} for rate in (0.2, 0.5)],
    "adam": [{"optimizer": {"name": "adam", "lr": lr, "weight_decay": 0.01}} for lr in (0.001, 0.003)],
    "full": [{"optimizer": {"batch_size": "full", "lr": lr}} for lr in (0.02, 0.05)],
    "steps": [{"stop": {"train_error": error, "max_steps": 3, "max_epochs": 9}} for error in (0.2, 0.9)],
    "squared": [{"loss": {"name": "squared"}, "optimizer": {"lr": lr}} for lr in (0.001, 0.003)],
    **{f"subspace, {name}": [{"subspace": {"dimension": 3, "projection": name}}] for name in PROJECTIONS},
}
EXAMPLES = 24
#: One of each kind; the others take a minute together.
QUICK = ("mlp", "xord", "puzzles_cnn", "resnet", "module")
#: Forests are grown one by one in any company.
NETWORKS = [family for family in MODELS if family != "random_forest"]
PERCEPTRONS = ("mlp", "linear", "deep_linear", "lenet_300_100", "xord")


def made(shape: tuple[int, ...]) -> Reader:
    """A data set in files of ten classes for inputs of any shape: random bytes."""

    def read(root: object = None) -> Raw:
        draw = generator(0, "made")
        return Raw(Part(draw.integers(0, 256, (120, *shape), dtype=np.uint8), np.arange(120) % 10))

    return Reader(read, shape, (12,) * 10, (), "made here")


def sections_of(family: str, monkeypatch) -> dict:
    """A small network of a family on a data set of its shape."""
    fields, shape = FAMILIES[family][min(1, len(FAMILIES[family]) - 1)]  # the second is one with more to it
    monkeypatch.setitem(READERS, f"made for {family}", made(shape))
    sizes = {"train_size": EXAMPLES, "validation_size": 8, "test_size": 8}
    chosen = {"name": f"made for {family}", "normalise": "half" if len(shape) == 3 else "split", **sizes}
    chosen |= {"classes": ODD_OR_EVEN} if family == "xord" else {}
    loss = {"name": "logistic" if family == "xord" else "cross_entropy"}
    rest = {"optimizer": {"batch_size": 4, "lr": 0.02}, "stop": {"train_loss": None, "max_epochs": 3}}
    return {"data": chosen, "model": {"family": family} | fields, "loss": loss, **rest}


@pytest.mark.parametrize("intervention", INTERVENTIONS)
@pytest.mark.parametrize(
    "family", [family if family in QUICK else pytest.param(family, marks=pytest.mark.slow) for family in NETWORKS]
)
def test_a_run_is_the_same_alone_and_in_a_stack(cohort, monkeypatch, family, intervention):
    """Its parents too. Bit for bit for perceptrons, but in a subspace, where a product is of as many rows as runs."""
    if family == "module" and intervention in ("logistic", "hinge"):
        pytest.skip("the module has ten outputs, the loss takes one")
    sections = sections_of(family, monkeypatch)
    if intervention == "augment" and len(READERS[sections["data"]["name"]].shape) != 3:
        pytest.skip("only images are augmented")
    points = [
        {f"{part}.{field}": value for part, fields in point.items() for field, value in fields.items()}
        for point in INTERVENTIONS[intervention]
    ]
    if intervention == "dropout" and "dropout" not in MODEL_CONFIGS[family].model_fields:
        pytest.skip("the family has no dropout")
    for point in points if intervention == "reuse" else ():
        narrower = {
            name: max(1, sections["model"][name] - 1) for name in ("width", "filters") if name in sections["model"]
        }
        point["init.source"] = {f"model.{name}": value for name, value in narrower.items()}
    seeds = [0, 1] if len(points) == 1 else [0]
    kernel = "batched" if family != "module" else None  # a loop draws the noise of layers from another generator
    # Of convolutions the last digits differ, and a network of two channels blows them up in a few steps of float32.
    sections |= {} if family in PERCEPTRONS else {"precision": "float64"}
    axes = {"base": sections, "inert_axes": "collapse"}
    together = Family(cohort, "together", kernel, **axes, list=_points(points), seeds=seeds)
    last = {"list": _points(points[-1:]), "seeds": seeds[-1:], "resources": {"cohort_size": 1}}
    alone = Family(cohort, "alone", kernel, **axes, **last)
    assert len(together.of) > len(together.trained) and len(alone.of) == len(alone.trained)
    exact = family in PERCEPTRONS and not intervention.startswith("subspace")
    for config, _ in alone.of.values():
        left, right = together.end(config), alone.end(config)
        assert not exact or same(left, right)
        if intervention != "adam":  # which makes whole steps of the rounding of a gradient of zero
            torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-4)
        losses = [one.of[config.run_id][1].value(config.run_id, "loss", "train") for one in (together, alone)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-3)
        assert together.row(config).status == alone.row(config).status


def _points(points: list[dict]) -> list[dict]:
    return points if points != [{}] else []


def test_every_loss_optimiser_and_projection_is_tried():
    tried = [point for points in INTERVENTIONS.values() for point in points]
    assert {point.get("loss", {}).get("name", "cross_entropy") for point in tried} == LOSSES.keys()
    assert {point["subspace"]["projection"] for point in tried if "subspace" in point} == PROJECTIONS.keys()
    stepping = OPTIMIZERS.keys() - {"least_squares"}  # which solves for the last layer, see test_least_squares.py
    assert {point.get("optimizer", {}).get("name", "sgd") for point in tried} == stepping
