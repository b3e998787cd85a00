"""Labels from another run, and starts from a checkpoint of one."""

import re

import pytest
import torch
from test_interventions import DATA, TWO, Family, base, built, same

from benevolent.analysis.measures.missing_measures import ExistingMeasures
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.folder import Folder

TEACHER = {"model.width": 24, "optimizer.lr": 0.2, "stop.max_epochs": 6, "data.label_corruption": 0.0}


def predictions(family, config, inputs: torch.Tensor) -> torch.Tensor:
    """The classes that a run sees, by its plain module."""
    module = built(config).module
    module.load_state_dict(family.end(config))
    with torch.no_grad():
        outputs = module(inputs)
    return outputs.argmax(1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0).long()


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("loss", ["cross_entropy", "logistic"])
def test_a_run_learns_what_its_teacher_says(cohort, held_out, loss):
    sections = {"data": TWO if loss == "logistic" else DATA, "loss": {"name": loss}}
    labels = {"source": TEACHER, "held_out": held_out}
    family = Family(cohort, base=base(labels=labels, **sections), seeds=2)
    assert len(family.of) == 4  # each seed has a teacher of its own
    for config in family.having(model__width=16):
        teacher, dataset = config.teacher, data.load(config.data)
        assert (teacher.seed, teacher.model.width, teacher.labels.source) == (config.seed, 24, None)
        for name, split in dataset.splits.items():
            told, own = predictions(family, teacher, split.inputs), predictions(family, config, split.inputs)
            assert not torch.equal(told, split.labels)
            labels = told if name == "train" or held_out else split.labels
            expected = (own != labels).double().mean().item()
            assert family.of[config.run_id][1].value(config.run_id, "error", name) == pytest.approx(expected)
        # What it learns is the labels: a run on those of the data set ends elsewhere.
        assert not torch.equal(family.end(config)["1.weight"], _untaught(cohort, config)["1.weight"])


def _untaught(cohort, config) -> dict[str, torch.Tensor]:
    values = config.model_dump() | {"labels": {}}
    return next(iter(cohort(f"untaught{config.seed}", [values]).train().final().values()))


def test_labels_of_a_teacher_are_corrupted_and_pruned_runs_share_one(cohort):
    sections = base(
        labels={"source": TEACHER}, data=DATA | {"label_corruption": 0.5}, prune={"fraction": 0.5, "rounds": 2}
    )
    family = Family(cohort, base=sections)
    (ticket,) = family.having(prune__rounds=2, prune__fraction=0.5)
    teachers = {one.teacher.run_id for one in (ticket, *ticket.ancestors) if one.teacher}
    assert len(family.of) == 4 and len(teachers) == 1
    told = predictions(family, ticket.teacher, data.load(ticket.data).train.inputs)
    labels = data.corrupt(told, 10, 0.5, "redraw", ticket.seed, "train")
    wrong = (predictions(family, ticket, data.load(ticket.data).train.inputs) != labels).double().mean().item()
    assert family.of[ticket.run_id][1].value(ticket.run_id, "error", "train") == pytest.approx(wrong)


def test_fresh_examples_of_every_epoch_are_labeled(cohort):
    sinusoid = {"name": "sinusoid", "dimension": 5, "fresh": True, **DATA}
    steps = {"batch_size": 10, "lr": 0.5}
    family = Family(cohort, base=base(data=sinusoid, labels={"source": {"model.width": 24}}, optimizer=steps))
    (config,) = family.having(model__width=16)
    inputs = [data.inputs_of(data.load(config.data), [config], "train", epoch).rows()[0] for epoch in range(2)]
    told = [predictions(family, config.teacher, one) for one in inputs]
    assert not torch.equal(told[0], told[1])
    wrong = (predictions(family, config, inputs[1]) != told[1]).double().mean().item()
    assert 0 < wrong < 0.5
    assert family.of[config.run_id][1].value(config.run_id, "error", "train") == pytest.approx(wrong)


def test_measures_are_of_the_labels_that_a_run_was_trained_on(cohort, tmp_path):
    family = Family(cohort, base=base(labels={"source": TEACHER}))
    (config,) = family.having(model__width=16)
    results, trained = Folder(tmp_path), family.of[config.run_id][1]
    (name,) = [name for name in trained.files.parameter_files() if name.startswith("final/")]
    job = ExistingMeasures(results).missing(trained.name, name, ["margin_mean"])
    assert measure_file(results, job).networks == 1
    found = results.read_table(job.output).to_pandas().query("name == 'margin_mean'").value.item()
    module, inputs = built(config).module, data.load(config.data).train.inputs
    told = predictions(family, config.teacher, inputs)
    module.load_state_dict(family.end(config))
    outputs = module(inputs).detach()
    own = outputs.gather(1, told.unsqueeze(1)).squeeze(1)
    others = outputs.scatter(1, told.unsqueeze(1), -torch.inf).amax(1)
    assert found == pytest.approx((own - others).mean().item(), rel=1e-5)


def test_a_run_starts_where_another_was_at_a_checkpoint(cohort):
    source = {"optimizer.lr": 0.1, "stop.max_epochs": 4}
    axis = {"init.at": [0, 1, 2, None]}
    sections = base(init={"scheme": "run", "source": source})
    family = Family(cohort, base=sections, grid=axis, record={"measure_at": "checkpoints"})
    assert len(family.of) == 5
    for config in family.having(init__scheme="run"):
        origin = family.of[config.parent.run_id][1]
        at = config.init.at
        there = origin.final() if at is None else origin.checkpoint(f"train-{4 * at:08d}")
        assert same(family.start(config), there[config.parent.run_id])


def test_a_teacher_labels_as_it_was_at_a_checkpoint(cohort):
    family = Family(
        cohort,
        base=base(labels={"source": TEACHER}),
        grid={"labels.at": [1, 6, None]},
        record={"measure_at": "checkpoints", "epochs": [1, 6]},
    )
    wrong, inputs = {}, None
    for config in family.having(model__width=16):
        teacher, at, dataset = config.teacher, config.labels.at, data.load(config.data)
        origin, inputs = family.of[teacher.run_id][1], dataset.train.inputs
        steps = teacher.steps_per_epoch * (at or 0)
        known = (origin.final() if at is None else origin.checkpoint(f"train-{steps:08d}"))[teacher.run_id]
        with torch.no_grad():
            module = built(teacher).module
            module.load_state_dict(known)
            told = module(inputs).argmax(1)
        expected = (predictions(family, config, inputs) != told).double().mean().item()
        wrong[at] = family.of[config.run_id][1].value(config.run_id, "error", "train")
        assert wrong[at] == pytest.approx(expected)
    ends = [family.end(config)["1.weight"] for config in family.having(model__width=16)]
    assert len(wrong) == 3 and len({end.sum().item() for end in ends}) == 2  # epoch 6 is the end, and 1 is not


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"labels": {"source": {"modle": {}}}}, "labels.source: modle: unknown key; did you mean 'model'?"),
        ({"labels": {"source": {"seed": 1}}}, "labels.source = {'seed': 1}: source has the seed of the run"),
        ({"labels": {"source": {"data.train_size": 90}}}, "labels.source: the teacher has data.train_size = 90"),
        ({"labels": {"source": {"data.name": "mnist"}}}, "labels.source: the teacher has data.name = 'mnist'"),
        (
            {"labels": {"source": {}}, "data": {"name": "frequency"}, "loss": {"name": "squared"}},
            "labels.source: the targets of frequency are not classes",
        ),
        ({"labels": {"source": {}, "at": 1}}, "labels.at = 1: the parameters at that epoch are not kept"),
        ({"labels": {"source": {}, "at": 3}}, "labels.at = 3: that run trains for 2 epochs"),
        ({"init": {"at": 1}}, "`at` needs `source`"),
        ({"init": {"scheme": "run", "source": {}, "at": 1}}, "init.at = 1: the parameters at that epoch are not kept"),
        (
            {"init": {"scheme": "run", "source": {}, "at": 3}},
            "init.at = 3: that run trains for 2 epochs",
        ),
    ],
)
def test_teachers_and_checkpoints_without_sense_are_refused_at_planning(sections, line):
    with pytest.raises(BadInput, match=re.escape(line)):
        expand(SweepSpec.parse({"name": "t", "base": base() | sections})).new_manifests()


def test_every_epoch_of_a_source_is_looked_at_in_planning():
    """Numbers of a section do not make kinds of runs; that one does."""
    axis = {"init.at": [1, 2, 3]}
    spec = {"name": "t", "base": base(init={"scheme": "run", "source": {}}), "grid": axis}
    with pytest.raises(BadInput, match=re.escape("init.at = 3: that run trains for 2 epochs")):
        expand(SweepSpec.parse(spec | {"record": {"measure_at": "checkpoints"}})).new_manifests()


def test_a_teacher_that_no_axis_names_is_planned_once_and_waited_for():
    spec = {"name": "t", "base": base(labels={"source": TEACHER}), "grid": {"model.width": [8, 16, 24]}, "seeds": 2}
    cohorts = expand(SweepSpec.parse(spec)).new_manifests()
    home = {config.run_id: cohort for cohort in cohorts for config in cohort.configs}
    taught = [config for cohort in cohorts for config in cohort.configs if config.teacher]
    assert len(home) == 6 + 2 and len({config.teacher.run_id for config in taught}) == 2
    for config in taught:
        assert home[config.run_id].waits_for == (home[config.teacher.run_id].cohort_id,)
        assert cohorts.index(home[config.teacher.run_id]) < cohorts.index(home[config.run_id])
    roles = [role for cohort in cohorts for role in cohort.roles]
    assert roles.count("parent") == 2


@pytest.mark.parametrize("by", ["labels", "init"])
def test_a_source_of_another_family_has_that_family_s_defaults(by):
    """Also where the family named is this run's own: what a source says does not depend on who asks."""
    source = {"model.depth": 3, "model.family": "deep_linear"}
    scheme = {"scheme": "run"} if by == "init" else {}
    dotted, nested = (
        RunConfig.parse(base() | {by: {"source": one} | scheme})
        for one in (source, {"model": {"family": "deep_linear", "depth": 3}})
    )
    (found,), (same_one,) = dotted.ancestors, nested.ancestors
    assert found.run_id == same_one.run_id and found.data == dotted.data
    assert found.model == RunConfig.parse({"model": {"family": "deep_linear", "depth": 3}}).model
    own = RunConfig.parse(base() | {by: {"source": {"model.family": "mlp"}} | scheme})
    assert own.ancestors[0].model == RunConfig().model != own.model
    with pytest.raises(BadInput, match=f"{by}.source: model.bias: unknown key of family 'deep_linear'"):
        _ = RunConfig.parse(base() | {by: {"source": source | {"model.bias": "all"}} | scheme}).ancestors


def test_a_teacher_of_another_family_is_planned():
    wide = {"model.family": "puzzles_cnn", "model.filters": 4, "model.kernel": 3}
    (teacher,) = [
        config
        for cohort in expand(SweepSpec.parse({"name": "t", "base": base(labels={"source": wide})})).new_manifests()
        for config, role in zip(cohort.configs, cohort.roles, strict=True)
        if role == "parent"
    ]
    assert (teacher.model.family, teacher.model.filters, teacher.model.padding) == ("puzzles_cnn", 4, 0)


def test_what_a_diverged_teacher_labels_has_diverged(cohort):
    family = Family(cohort, base=base(labels={"source": {"optimizer.lr": 1e20}}, prune={"fraction": 0.5}))
    assert len(family.of) == 3
    assert {family.row(config).status for config in family.having()} == {"diverged"}
