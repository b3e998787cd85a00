"""What is refused because sections do not go together, at planning and at the start of a cohort."""

import contextlib
import re
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables import compatibility
from benevolent.trainables.compatibility import Candidate, Rule, check
from benevolent.trainables.config.base import Section
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput

BN = {"family": "mlp", "width": 8, "batch_norm": "plain"}
REAL = {"name": "frequency", "train_size": 40, "validation_size": 10, "test_size": 10}
XORD = {"name": "xord", "train_size": 64, "validation_size": 10, "test_size": 10}
PRUNE, PRETRAIN = {"fraction": 0.5}, {"epochs": 1}

REFUSED = [
    ({"model": {"family": "frankle_conv", "depth": 6}}, "model.depth = 6: on inputs of shape (1, 8, 8) the last pooli"),
    ({"data": {"name": "mnist", "classes": "animals_objects"}}, "a task of cifar10, not of mnist"),
    ({"data": {"train_size": 20}}, "optimizer.batch_size = 32: data.train_size is 20; allowed: 1 to 20, or 'full'"),
    ({"data": {"name": "staircase", "fresh": True, "subset": 0.5}}, "subset = 0.5: with data.fresh: true no epoch"),
    (
        {"data": {"subset": 0.04, "train_size": 600}, "optimizer": {"batch_size": 25}},
        "data.subset = 0.04 of data.train_si",
    ),
    ({"data": {"intervention_seed": 3}}, "intervention_seed = 3: no labels are corrupted"),
    ({"model": BN, "optimizer": {"batch_size": 1}}, "a batch has one example, which BatchNorm cannot normalize"),
    ({"model": BN, "optimizer": {"batch_size": 37}}, "the last batch has one example, which BatchNorm cannot"),
    (
        {"model": {"family": "puzzles_bn"}, "data": {"train_size": 257}, "optimizer": {"batch_size": 256}},
        "the last batch has one example, which BatchNorm cannot",
    ),
    (
        {"loss": {"name": "logistic"}},
        "loss.name = 'logistic': does not fit the targets of digits, 10 classes; allowed:",
    ),
    (
        {"loss": {"name": "hinge"}, "data": {"classes": [[1], [2], [3]], "train_size": 60, "test_size": 60}},
        "3 classes; allowed: cross_e",
    ),
    ({"data": REAL}, "loss.name = 'cross_entropy': does not fit the targets of frequency, numbers; allowed: squared"),
    ({"data": REAL, "loss": {"name": "hinge"}}, "loss.name = 'hinge': does not fit the targets of frequency, numbers"),
    (
        {"data": REAL | {"label_corruption": 0.5}, "loss": {"name": "squared"}},
        "data.label_corruption = 0.5: the targets",
    ),
    (
        {"data": REAL, "loss": {"name": "squared"}, "pretrain": {"epochs": 1, "label_corruption": 0.5}},
        "pretrain.label_corruption = 0.5: the targets of frequency are not classes",
    ),
    (
        {"data": {"augment": "flip"}, "optimizer": {"name": "least_squares"}, "loss": {"name": "squared"}},
        "data.augment = 'flip': does not go with optimizer.name = 'least_squares'; leave it out",
    ),
    (
        {"optimizer": {"arithmetic": "bf16"}, "precision": "float64"},
        "optimizer.arithmetic = 'bf16': rounds float32 numbers, and precision is float64",
    ),
    ({"reset": {"layers": [1, 4]}}, "reset.layers = [1, 4]: the network has 3 layers with weights; allowed: 1 to 3"),
    ({"reset": {"layers": [1], "to": 7}, "stop": {"max_epochs": 6}}, "reset.to = 7: that run trains for 6 epochs"),
    (
        {"reset": {"layers": [1], "to": 7}, "stop": {"max_steps": 100}},  # 32 steps an epoch
        "reset.to = 7: that run trains for 4 epochs",
    ),
    ({"reset": {"layers": [2, 1]}}, "reset = {'layers': [2, 1]}: layers must be strictly increasing"),
    (
        {"subspace": {"dimension": 9000}},
        "subspace.dimension = 9000: the network has 8970 parameters; allowed: 1 to 8970",
    ),
    ({"subspace": {"dimension": 9}, "prune": PRUNE}, "subspace.dimension = 9: does not go with prune.fraction = 0.5"),
    ({"prune": PRUNE | {"rewind": "train"}}, "prune.rewind = 'train': without pretrain.epochs that is the initializ"),
    (
        {"prune": PRUNE | {"rewind": "none", "control": "reinit"}},
        "prune.rewind = 'none': has no effect on a reinit of one round; leave it out",
    ),
    (
        {"model": {"family": "module", "path": "test_compatibility:Gains"}, "prune": PRUNE},
        "prune.fraction: the network has no weig",
    ),
    (
        {"model": {"family": "module", "path": "test_compatibility:Gains"}, "init": {"first": 1.0}},
        "init.first: the network has no",
    ),
    (
        {"init": {"scheme": "run", "source": {"model.width": 8}}},
        "init.source: 1.weight of the source has the shape (8, 64), that of",
    ),
    (
        {"init": {"scheme": "reuse", "std": 0.1, "source": {"model.width": 80}}},
        "init.source: 1.weight of the source has the shape (80, 64), that of this run (64, 64); allowed: an equal",
    ),
    (
        {
            "init": {"scheme": "reuse", "std": 0.1, "source": {"model.features": 10}},
            "model": {"family": "random_features", "features": 20},
        },
        "init.scheme = 'reuse': random features are cosines beside sines",
    ),
    ({"init": {"scheme": "run", "source": {"loss.name": "hinge"}}}, "init.source: loss.name = 'hinge': does not fit"),
    ({"init": {"scheme": "run", "source": {"seed": 3}}}, "source has the seed of the run that names it"),
    ({"init": {"scheme": "run", "source": {"modle.width": 3}}}, "init.source: modle"),
    (
        {"init": {"scheme": "kmeans", "source": {"model.width": 8}}, "model": {"width": 16, "depth": 2}},
        "init.source: 1.weight of the source has the shape (8, 64), that of this run (16, 64); allowed: an equal",
    ),
    (
        {"init": {"scheme": "run", "source": {}}, "prune": PRUNE | {"control": "reinit"}},
        "prune.control = 'reinit': wit",
    ),
    ({"init": {"scheme": "run", "source": {}}, "reset": {"layers": [1], "to": "random"}}, "reset.to = 'random': with"),
]


class Gains(nn.Module):
    """A network without weights: nothing to draw, prune or reset."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(10))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.flatten(1)[:, :10] * self.gain


def sweep(base: dict, **keys) -> SweepSpec:
    return SweepSpec.parse({"name": "test", "base": base, **keys})


@pytest.mark.parametrize(("sections", "line"), REFUSED)
def test_what_does_not_go_together_is_refused_in_one_line(sections, line):
    for refuse in (
        lambda: check(RunConfig.parse(sections)),
        lambda: expand(sweep(sections)).new_manifests(),
    ):
        with pytest.raises(BadInput) as refused:
            refuse()
        assert line in str(refused.value) and "\n" not in str(refused.value)


TOGETHER: list[dict] = [
    {"model": {"family": "frankle_conv", "depth": 4}},
    {"model": {"family": "vgg", "depth": 11}, "data": {"name": "cifar10"}},  # leaves one position: as is usual
    {"model": {"family": "xord"}, "data": XORD, "loss": {"name": "hinge"}},
    {"model": {"family": "xord"}, "data": XORD, "loss": {"name": "squared"}},
    {"data": REAL, "loss": {"name": "squared"}},
    {"data": {"train_size": 32}, "optimizer": {"batch_size": 32}, "model": BN},
    {"data": {"train_size": 20}, "optimizer": {"batch_size": "full"}},
    {"subspace": {"dimension": 8970}},
    {"prune": PRUNE | {"rounds": 2, "control": "reinit", "rewind": "none"}},
    {
        "model": {"family": "xord", "filters": 2},
        "data": XORD,
        "loss": {"name": "hinge"},
        "init": {"scheme": "kmeans", "source": {"model.filters": 6}},
    },
]


@pytest.mark.parametrize("sections", TOGETHER)
def test_what_goes_together_is_planned(sections):
    check(RunConfig.parse(sections))
    assert expand(sweep(sections)).new_manifests()


def test_a_source_cannot_hold_itself():
    source: dict = {"model.width": 64}
    source["init.source"] = source
    with pytest.raises(BadInput, match="source may hold numbers"):
        RunConfig.parse({"init": {"scheme": "run", "source": source}})


@pytest.mark.parametrize("to", [0, 2, 4])
def test_layers_go_back_to_checkpoints_that_are_kept(to):
    config = RunConfig.parse({"reset": {"layers": [1], "to": to}})
    kept = RecordConfig(measure_at="checkpoints")
    check(config, kept)
    for record in (RecordConfig(), RecordConfig(epochs=[5], measure_at="checkpoints")):
        if to == 0:
            check(config, record)
            continue
        with pytest.raises(BadInput, match=r"reset.to = \d: the parameters at that epoch are not kept"):
            check(config, record)


def test_layers_may_go_back_to_an_epoch_of_the_default_record_only():
    check(RunConfig.parse({"reset": {"layers": [1], "to": 8}}), RecordConfig(measure_at="checkpoints"))
    with pytest.raises(BadInput, match="not kept; set record.also: \\[6\\]"):
        check(RunConfig.parse({"reset": {"layers": [1], "to": 6}}), RecordConfig(measure_at="checkpoints"))


@pytest.mark.parametrize(
    ("axis", "values", "line"),
    [
        # Fields that may differ in a cohort: a rule sees them though the first value is fine.
        ("init.first", [None, 1.0], "init.first: the network has no weights"),
        ("prune.fraction", [0, 0.5], "prune.fraction: the network has no weights"),
        ("prune.rewind", ["init", "train"], "prune.rewind = 'train'"),
        ("reset.layers", [[], [2]], "reset.layers = [2]: the network has 0 layers"),
    ],
)
def test_no_rule_is_skipped_because_a_field_may_differ_in_a_cohort(axis, values, line):
    base = {"model": {"family": "module", "path": "test_compatibility:Gains"}}
    base |= {"prune": PRUNE, "model": {"width": 8}} if axis == "prune.rewind" else {}
    with pytest.raises(BadInput) as refused:
        expand(sweep(base, grid={axis: values})).new_manifests()
    assert line in str(refused.value)


def test_real_targets_refuse_corrupted_pretraining_on_an_axis():
    base = {"data": REAL, "loss": {"name": "squared"}, "pretrain": PRETRAIN}
    with pytest.raises(BadInput, match="pretrain.label_corruption = 0.5"):
        expand(sweep(base, grid={"pretrain.label_corruption": [0, 0.5]})).new_manifests()


BATCH = {"optimizer": {"batch_size": 500}}
SOURCE = {"scheme": "run", "source": {"optimizer.batch_size": 2000}}


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"base": {"optimizer": {"batch_size": 2000}}}, "base.optimizer.batch_size = 2000: data.train_size is 1000;"),
        ({"grid": {"optimizer.batch_size": [10, 2000]}}, "grid.optimizer.batch_size = 2000: "),
        ({"zip": [{"optimizer.batch_size": [10, 2000]}]}, "zip[0].optimizer.batch_size = 2000: "),
        ({"list": [{}, {"optimizer.batch_size": 2000}]}, "list[1].optimizer.batch_size = 2000: "),
        (
            {"base": BATCH, "list": [{}, {"data.train_size": 100}]},
            "base.optimizer.batch_size = 500: data.train_size is 100; allowed: 1 to 100, or 'full' (at list[1])",
        ),
        ({"list": [{}, {"data.classes": "3|6"}]}, "data.train_size + validation_size + test_size = 1000 + 197 + 600"),
        ({"list": [{}, {"data.name": "frequency"}]}, "loss.name = 'cross_entropy': does not fit"),
        ({"base": {"init": SOURCE}}, "base.init.source: optimizer.batch_size = 2000: data.train_size is 1000"),
        ({"base": {"labels": {"source": {"model.widht": 3}}}}, "base.labels.source: model.widht: unknown key"),
        ({"list": [{}, {"labels.source": {"model.widht": 3}}]}, "list[1].labels.source: model.widht: unknown key"),
        ({"base": {"model": {"family": "puzzles_cnn", "kernel": 7}}}, "base.model.kernel = 7: does not fit on inputs"),
    ],
)
def test_what_does_not_go_together_is_refused_with_its_place_in_the_sweep(keys, line):
    with pytest.raises(BadInput) as refused:
        expand(sweep(keys.get("base", {}), **{name: value for name, value in keys.items() if name != "base"}))
    assert str(refused.value).startswith(line) and "\n" not in str(refused.value)
    if "list" in keys and not line.startswith("list"):
        assert str(refused.value).endswith(" (at list[1])")


def test_rounding_of_a_gpu_is_refused_where_a_sweep_trains_without_one():
    asked = {"optimizer": {"arithmetic": "tf32"}}
    line = re.escape(
        ".optimizer.arithmetic = 'tf32': without a GPU it rounds nothing, and resources.gpus is 0; allowed"
    )
    for place, keys in (
        ("base", {"base": asked}),
        ("grid", {"base": {}, "grid": {"optimizer.arithmetic": ["full", "tf32"]}}),
        (r"list\[1\]", {"base": {}, "list": [{}, {"optimizer.arithmetic": "tf32"}]}),
    ):
        with pytest.raises(BadInput, match=f"^{place}{line}"):
            expand(sweep(**keys))
    with pytest.raises(BadInput, match="^base.init.source: optimizer.arithmetic = 'tf32'"):
        expand(sweep({"init": {"scheme": "run", "source": {"optimizer.arithmetic": "tf32"}}}))
    assert len(expand(sweep(asked, resources={"gpus": 0.5})).runs) == 1
    assert len(expand(sweep({"optimizer": {"arithmetic": "bf16"}})).runs) == 1


def test_runs_that_start_from_others_are_no_cohort_with_those_that_do_not():
    """Or a cohort would wait for itself: that a run has a source may differ in a cohort."""
    listed = [{"init.scheme": "kaiming"}, {"init.scheme": "run", "init.source": {"init.scale": 2}}]
    cohorts = expand(sweep({"model": {"width": 8}}, list=listed, seeds=2)).new_manifests()
    assert [sorted(cohort.roles) for cohort in cohorts] == [["parent", "parent", "run", "run"], ["run", "run"]]
    assert cohorts[1].waits_for == (cohorts[0].cohort_id,)


def test_runs_of_other_runs_of_other_runs_come_in_order():
    source = {"prune.fraction": 0.5, "prune.rounds": 2}
    base = {"model": {"width": 8}, "init": {"scheme": "run", "source": source}}
    cohorts = expand(
        sweep(base, grid={"reset.layers": [[], [1]], "prune.rounds": [1], "prune.fraction": [0, 0.3]})
    ).new_manifests()
    place = {config.run_id: index for index, cohort in enumerate(cohorts) for config in cohort.configs}
    for index, cohort in enumerate(cohorts):
        for config in cohort.configs:
            assert all(place[before.run_id] < index for before in config.ancestors)
            assert {cohorts[place[before.run_id]].cohort_id for before in config.ancestors} <= set(cohort.waits_for)
    assert max(len(config.ancestors) for cohort in cohorts for config in cohort.configs) == 5


def test_a_rule_is_asked_once_for_each_combination_of_the_fields_it_reads(monkeypatch):
    asked = []
    refuse = lambda candidate: asked.append(candidate.config.data.label_corruption)  # noqa: E731
    monkeypatch.setattr(compatibility, "RULES", [Rule(refuse, ("data.label_corruption", "model.family"))])
    monkeypatch.setattr("benevolent.orchestrator.plan.checks.RULES", compatibility.RULES)
    grid = {"init.scale": [1 + i / 100 for i in range(100)], "data.label_corruption": [0, 0.1, 0.5]}
    expand(sweep({"model": {"width": 8}}, grid=grid, seeds=3))
    assert asked == [0, 0.1, 0.5]


# Every field that a rule reads is declared.


def recording(model: Section, prefix: str, read: set[str]) -> Section:
    """A copy of a config that notes the dotted fields that are read; a section that is handed on counts as read."""

    class Recording(type(model)):
        def __getattribute__(self, name):
            if name in ("parent", "teacher"):
                relative = getattr(model, name)
                return relative and recording(relative, f"{prefix}{name}.", read)
            value = super().__getattribute__(name)
            if name in type(model).model_fields:
                if isinstance(value, Section):
                    return recording(value, f"{prefix}{name}.", read)
                read.add(f"{prefix}{name}")
            elif name == "__dict__" or name.startswith(("model_dump", "__pydantic_fields_set__")):
                read.update(f"{prefix}{field}" for field in type(model).model_fields)
            return value

    return Recording.model_construct(**{name: getattr(model, name) for name in type(model).model_fields})


def declared(rule: Rule, config: RunConfig) -> set[str]:
    fields = set(rule.reads) | ({rule.only_if[0]} if rule.only_if else set())
    found = set()
    for relative, prefix in ((config, ""), (config.parent, "parent."), (config.teacher, "teacher.")):
        for name, value in relative.sections.items() if relative else ():
            inner = [f"{prefix}{name}.{field}" for field in getattr(type(value), "model_fields", ())]
            found |= {*inner} if f"{prefix}{name}" in fields else {field for field in inner if field in fields}
    return found | (fields & {"precision", "parent.precision", "teacher.precision"})


MORE = [
    {},
    {"model": {"family": "random_forest"}, "loss": {"name": "squared"}},
    {"optimizer": {"name": "least_squares"}, "loss": {"name": "squared"}, "pretrain": PRETRAIN},
    {"init": {"scheme": "run", "source": {"loss.name": "squared"}, "edit": "shrink"}},
    {"init": {"scheme": "run", "source": {}, "at": 3}, "reset": {"layers": [1], "to": 2}},
    {"init": {"scheme": "run", "source": {"stop.max_epochs": 9}, "at": 3}},
    {"init": {"scheme": "reuse", "std": 0.1, "source": {"model.width": 8}}},
    {"labels": {"source": {"model.width": 8, "data.train_size": 500}, "at": 2}},
    {"labels": {"source": {"model.family": "puzzles_cnn"}}},
    {"prune": PRUNE | {"method": "layer_magnitude", "conv_rate": 0.5}},
]


def valid_examples() -> Iterator[RunConfig]:
    for sections in [*MORE, *TOGETHER, *(sections for sections, _ in REFUSED)]:
        with contextlib.suppress(BadInput):
            config = RunConfig.parse(sections)
            _ = config.ancestors  # a source may name no run
            yield config


@pytest.mark.parametrize("rule", compatibility.RULES, ids=lambda rule: rule.function.__name__)
def test_a_rule_reads_only_fields_that_it_declares(rule):
    asked = False
    for config in valid_examples():
        if rule.concerns(config):
            asked, read = True, set[str]()
            rule.refusal(Candidate(recording(config, "", read), RecordConfig(early_stop=True)))
            assert read <= declared(rule, config)
    assert asked


def test_a_cohort_is_checked_when_it_starts(cohort):
    with pytest.raises(BadInput, match="reset.layers"):
        cohort("c", [{"reset": {"layers": [9]}}], ("parent",)).start()
