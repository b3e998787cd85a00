"""A run is the same alone and in a stack: families of networks with interventions, from the registries.

Families of `QUICK` are tried with every intervention, the others with every sixth and with those of their own.
`test_other_pairs.py` has the rest.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from test_interventions import Family, same
from test_models import FAMILIES

from benevolent.trainables.config.base import Section
from benevolent.trainables.config.model import MODEL_CONFIGS
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import READERS, RawDataset, RawSplit, Reader
from benevolent.trainables.models import MODELS
from benevolent.trainables.models.weight_edits import EDITS
from benevolent.trainables.optimization.losses import LOSSES
from benevolent.trainables.optimization.optimizers import OPTIMIZERS
from benevolent.trainables.rng import generator
from benevolent.trainables.stack.subspace import PROJECTIONS

ODD_OR_EVEN = [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]
EXAMPLES = 24
SIZES = {"train_size": EXAMPLES, "validation_size": 8, "test_size": 8}
STAIRCASE, DIGITS = ({"name": name, **SIZES} for name in ("staircase", "digits"))
HALF, METHODS = {"label_corruption": 0.5}, ("redraw", "swap")
KEPT = {"measure_at": "checkpoints"}
LAYERS, ONE_OF_A_KIND = {"fraction": 0.5, "method": "layer_magnitude"}, ("mlp", "puzzles_cnn")


class Case(NamedTuple):
    """What is tried on networks. `points` are sections: the runs that differ in them are in one stack.

    `base`: sections of all of them. `families`: those it is tried on; None for all. `record`: of the sweep.
    """

    points: list[dict]
    base: dict = {}
    families: tuple[str, ...] | None = None
    record: dict = {}


INTERVENTIONS: dict[str, Case] = {
    "seeds": Case([{}]),
    "draws": Case([{"init": {"scheme": scheme, "scale": 0.7}} for scheme in ("kaiming", "xavier", "orthogonal")]),
    "more draws": Case([{"init": {"scheme": scheme, "bias_std": 0.2}} for scheme in ("xavier_normal", "torch")]),
    "reuse": Case([{"init": {"scheme": "reuse", "std": std, "source": {}}} for std in (0.1, 0.2)]),  # of a narrower one
    "first": Case([{"init": {"first": 0.5, "scheme": "normal", "std": 0.1}}]),
    "edit": Case([{"init": {"edit": edit, "amount": 0.5}} for edit in EDITS]),
    "corruption": Case([{"data": {"label_corruption": p}} for p in (0, 0.5)]),
    "subset": Case([{"data": {"subset": 0.5, "label_corruption": p}} for p in (0, 0.5)], families=ONE_OF_A_KIND),
    "shared interventions": Case(
        [{"data": HALF | {"intervention_seed": seed}} for seed in (1, 2)],
        families=ONE_OF_A_KIND,
    ),
    "augment": Case([{"data": {"augment": "shift_flip"}}]),
    "pretrain": Case([{"pretrain": {"epochs": 1, "label_corruption": p}} for p in (0.3, 1)]),
    "prune": Case([{"prune": {"fraction": f, "method": m}} for f, m in ((0.3, "magnitude"), (0.6, "layer_magnitude"))]),
    "rounds": Case([{"prune": {"fraction": 0.3, "rounds": 2, "rewind": rewind}} for rewind in ("init", "none")]),
    "controls": Case([{"prune": {"fraction": 0.5, "control": control}} for control in ("reinit", "random_mask")]),
    "reset": Case([{"reset": {"layers": [1], "to": to}} for to in ("init", "random", 0)]),
    "source": Case([{"init": {"scheme": "run", "source": {"optimizer.lr": lr}}} for lr in (0.01, 0.03)]),
    "schedule": Case([{"optimizer": {"lr": 0.05, "decay": decay, "momentum": 0.5}} for decay in (0.1, 0.9)]),
    "logistic": Case([{"data": {"classes": ODD_OR_EVEN}, "loss": {"name": "logistic"}}]),
    "hinge": Case([{"data": {"classes": ODD_OR_EVEN}, "loss": {"name": "hinge", "margin": 0.5}}]),
    "dropout": Case([{"model": {"dropout": rate}} for rate in (0.2, 0.5)]),
    "adam": Case([{"optimizer": {"name": "adam", "lr": lr, "weight_decay": 0.01}} for lr in (0.001, 0.003)]),
    "full": Case([{"optimizer": {"batch_size": "full", "lr": lr}} for lr in (0.02, 0.05)]),
    "steps": Case([{"stop": {"train_error": error, "max_steps": 3, "max_epochs": 9}} for error in (0.2, 0.9)]),
    "squared": Case([{"loss": {"name": "squared"}, "optimizer": {"lr": lr}} for lr in (0.001, 0.003)]),
    **{f"subspace, {name}": Case([{"subspace": {"dimension": 3, "projection": name}}]) for name in PROJECTIONS},
    "clip": Case([{"optimizer": {"clip": clip}} for clip in (None, 0.05, 0.5)]),
    "points": Case(
        [{"optimizer": {"schedule": [[1, 0.5], [2, 0.1]], "between": between}} for between in ("hold", "linear")]
        + [{"optimizer": {"decay_every": 2, "decay": 0.5}}],
        families=ONE_OF_A_KIND,
    ),
    "swap": Case(
        [{"data": HALF | {"corruption": how}, "pretrain": HALF | {"corruption": how, "epochs": 1}} for how in METHODS],
        families=ONE_OF_A_KIND,
    ),
    "held-out labels": Case(
        [{"data": {"label_corruption": 0.5, "corrupt_test": flag}} for flag in (False, True)], families=ONE_OF_A_KIND
    ),
    "input noise": Case([{"data": {"input_noise": noise}} for noise in (0.1, 0.3)], families=ONE_OF_A_KIND),
    "pixels": Case(
        [{"data": {"pixels": how, "pixels_fraction": 0.5}} for how in ("permuted", "shuffled", "gaussian")],
        {"data": DIGITS},
        ONE_OF_A_KIND,
    ),
    "fresh": Case([{}], {"data": STAIRCASE | {"fresh": True}}, ("mlp",)),
    "noise": Case(
        [{"data": {"noise": p}} for p in (0.1, 0.4)], {"data": STAIRCASE | {"name": "sparse_linear"}}, ("mlp",)
    ),
    "frequency": Case(
        [{"data": {"frequency": f}} for f in (0.5, 1)],
        {"data": STAIRCASE | {"name": "frequency"}, "loss": {"name": "squared"}},
        ("mlp",),
    ),
    "kmeans": Case(
        [{"init": {"scheme": "kmeans", "source": {"model.filters": 6}, "scale": scale}} for scale in (0.5, 1)],
        {"data": STAIRCASE | {"name": "xord"}},
        ("xord",),
    ),
    "rates": Case(
        [{"prune": LAYERS | {"conv_rate": rate, "output_rate": 0.5}} for rate in (0.2, 0.6)],
        families=("puzzles_cnn", "resnet"),
    ),
    "output rates": Case([{"prune": LAYERS | {"output_rate": rate}} for rate in (0.2, 0.6)], families=("mlp",)),
    "draws of controls": Case(
        [
            {"prune": {"fraction": 0.5, "control": name, "draw": n}}
            for name in ("reinit", "random_mask")
            for n in (0, 1)
        ],
        families=ONE_OF_A_KIND,
    ),
    "labels": Case(
        [{"labels": {"source": {"optimizer.lr": lr}, "held_out": lr > 0.1}} for lr in (0.1, 0.2)],
        families=ONE_OF_A_KIND,
    ),
    "labels at": Case(
        [{"labels": {"source": {"optimizer.lr": 0.2}, "at": at}} for at in (1, 2, None)],
        families=ONE_OF_A_KIND,
        record=KEPT,
    ),
    "window": Case(
        [{"optimizer": {"lr": lr}} for lr in (0.02, 0.05)],
        {"data": DIGITS | {"crop": 1, "augment": "window"}},
        ("puzzles_cnn",),
    ),
    "at": Case(
        [{"init": {"scheme": "run", "source": {"optimizer.lr": 0.1}, "at": at}} for at in (0, 1, None)],
        families=ONE_OF_A_KIND,
        record=KEPT,
    ),
    "reset to an epoch": Case([{"reset": {"layers": [1], "to": to}} for to in (1, 2)], {}, ONE_OF_A_KIND, KEPT),
    "snapshot": Case([{"stop": {"snapshot_loss": loss}} for loss in (1.0, 2.2, None)], families=ONE_OF_A_KIND),
    "early stop": Case([{}], families=ONE_OF_A_KIND, record={"early_stop": True}),
    "checks in steps": Case(
        [{"stop": {"train_loss": loss, "max_epochs": 3}} for loss in (None, 2.2, 1.9)],
        {"stop": {"check_every_steps": 2}},
        ONE_OF_A_KIND,
        {"early_stop": True, "steps": [1, 5, 9], **KEPT},
    ),
}
#: A perceptron, a network of convolutions, and one of a user.
QUICK = ("mlp", "puzzles_cnn", "module")
#: Forests are grown one by one, whatever other runs are in the cohort.
NETWORKS = [family for family in MODELS if family != "random_forest"]
PERCEPTRONS = ("mlp", "linear", "deep_linear", "lenet_300_100", "xord")


def made(shape: tuple[int, ...]) -> Reader:
    """A data set in files of ten classes for inputs of any shape: random bytes."""

    def read(root: object = None) -> RawDataset:
        draw = generator(0, "made")
        return RawDataset(RawSplit(draw.integers(0, 256, (120, *shape), dtype=np.uint8), np.arange(120) % 10))

    return Reader(read, shape, (12,) * 10, (), "made here")


def sections_of(family: str, monkeypatch) -> dict:
    """A small network of a family on a data set of its shape."""
    fields, shape = FAMILIES[family][min(1, len(FAMILIES[family]) - 1)]  # the second is one with more to it
    monkeypatch.setitem(READERS, f"made for {family}", made(shape))
    chosen = {"name": f"made for {family}", "normalize": "half" if len(shape) == 3 else "split", **SIZES}
    chosen |= {"classes": ODD_OR_EVEN} if family == "xord" else {}
    loss = {"name": "logistic" if family == "xord" else "cross_entropy"}
    rest = {"optimizer": {"batch_size": 4, "lr": 0.02}, "stop": {"train_loss": None, "max_epochs": 3}}
    return {"data": chosen, "model": {"family": family} | fields, "loss": loss, **rest}


def pairs(in_short_test: bool) -> Iterator[Any]:
    """Yield the pairs of a family and an intervention that are in the short test, or those that are not."""
    for row, family in enumerate(NETWORKS):
        marks = () if family in QUICK else pytest.mark.slow
        for column, (name, case) in enumerate(INTERVENTIONS.items()):
            if case.families is not None and family not in case.families:
                continue
            is_short = family in QUICK or case.families is not None or (row + column) % 6 == 0
            if is_short == in_short_test:
                yield pytest.param(family, name, marks=marks, id=f"{family}-{name}")


@pytest.mark.parametrize(("family", "intervention"), list(pairs(in_short_test=True)))
def test_a_run_is_the_same_alone_and_in_a_stack(cohort, monkeypatch, family, intervention):
    check_alone_and_stacked(cohort, monkeypatch, family, intervention)


def check_alone_and_stacked(cohort, monkeypatch, family, intervention):
    """Its parents too. Bit for bit for perceptrons, but in a subspace, where a product is of as many rows as runs."""
    if family == "module" and intervention in ("logistic", "hinge"):
        pytest.skip("the module has ten outputs, the loss takes one")
    case = INTERVENTIONS[intervention]
    sections = sections_of(family, monkeypatch)
    for part, fields in case.base.items():
        sections[part] = fields if part == "data" else sections.get(part, {}) | fields
    if intervention == "augment" and len(READERS[sections["data"]["name"]].shape) != 3:
        pytest.skip("only images are augmented")
    points = [
        {f"{part}.{field}": value for part, fields in point.items() for field, value in fields.items()}
        for point in case.points
    ]
    if intervention == "dropout" and "dropout" not in MODEL_CONFIGS[family].model_fields:
        pytest.skip("the family has no dropout")
    if intervention == "reuse" and family == "random_features":
        pytest.skip("its features are not reused")
    for point in points if intervention == "reuse" else ():
        narrower = {
            name: max(1, sections["model"][name] - 1) for name in ("width", "filters") if name in sections["model"]
        }
        point["init.source"] = {f"model.{name}": value for name, value in narrower.items()}
    seeds = [0, 1] if len(points) == 1 else [0]
    kernel = "batched" if family != "module" else None  # a loop draws the noise of layers from another generator
    # Of convolutions the last digits differ, and a network of two channels blows them up in a few steps of float32.
    sections |= {} if family in PERCEPTRONS else {"precision": "float64"}
    axes = {"base": sections, "inert_axes": "collapse", "record": case.record}
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
        if exact:
            rows = [_rows(one, config) for one in (together, alone)]
            assert rows[0][0].equals(rows[1][0])
            torch.testing.assert_close(rows[0][1], rows[1][1], rtol=1e-6, atol=1e-9, equal_nan=True)


def _rows(family: Family, config) -> tuple[pd.DataFrame, torch.Tensor]:
    """All outcomes of a run, and its dynamics, whose long sums may differ in the last digits."""
    trained = family.of[config.run_id][1]
    tables = [trained.table(kind).set_index("run_id") for kind in ("outcomes", "dynamics")]
    outcomes, dynamics = (table.loc[[config.run_id]].reset_index() for table in tables)
    return outcomes, torch.tensor(dynamics.value.tolist())


def _points(points: list[dict]) -> list[dict]:
    return points if points != [{}] else []


def test_every_loss_optimizer_and_projection_is_tried():
    tried = [case.base | point for case in INTERVENTIONS.values() for point in case.points]
    assert {point.get("loss", {}).get("name", "cross_entropy") for point in tried} == LOSSES.keys()
    assert {point["subspace"]["projection"] for point in tried if "subspace" in point} == PROJECTIONS.keys()
    stepping = OPTIMIZERS.keys() - {"least_squares"}  # which solves for the last layer, see test_least_squares.py
    assert {point.get("optimizer", {}).get("name", "sgd") for point in tried} == stepping


def test_every_field_that_may_differ_in_a_stack_is_tried():
    tried = {
        f"{part}.{field}"
        for case in INTERVENTIONS.values()
        for point in case.points
        for part, fields in point.items()
        for field in fields
    }
    sections = [(name, part) for name, part in RunConfig() if isinstance(part, Section)]
    fields = {f"{name}.{field}" for name, part in sections for field in type(part).model_fields}
    shared = {f"{name}.{field}" for name, part in sections for field in part.shared_fields()}
    assert fields - shared <= tried, fields - shared - tried
