import copy
import itertools

import pandas as pd
import pytest
import torch
from torch import nn

from benevolent.analysis import load_results
from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.rng import RandomStream
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.stack import Stack
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.parameters import read_parameters, write_parameters
from benevolent.trainables.training.cohort_training import CohortTraining
from benevolent.trainables.training.ray_trainable import CohortTrainable

TABLES = ("runs", "dynamics", "outcomes")
SMALL = {"train_size": 100, "validation_size": 50, "test_size": 100}
MLP = {"family": "mlp", "width": 16, "depth": 3}
CNN = {"family": "puzzles_cnn", "filters": 3, "kernel": 3, "bias": "all"}
MODULE = {"family": "module", "path": "test_training:Residual", "arguments": {"width": 7}}


class Residual(nn.Module):
    """No `nn.Sequential`, a normalization layer and a scalar parameter: only vmap or a loop can stack it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, width), nn.Linear(width, 10)
        self.norm, self.gain = nn.LayerNorm(width), nn.Parameter(torch.tensor(0.5))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.norm(self.first(inputs.flatten(1)).tanh())
        return self.last(hidden + self.gain * hidden.square())


class Branching(Residual):
    """Control flow that depends on the data: vmap refuses it."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(inputs if inputs.sum() > 0 else inputs + 0.0)


def run(seed: int = 0, **sections) -> dict:
    """A small run: sections replace the defaults below."""
    stop = {"train_loss": None, "max_epochs": 3}
    return {
        "data": SMALL,
        "model": MLP,
        "optimizer": {"batch_size": 30},
        "stop": stop,
        "seed": seed,
    } | sections


def equal(left, right) -> bool:
    """Parameters of the same runs, bit for bit."""
    assert left.keys() == right.keys()
    return all(torch.equal(left[i][name], right[i][name]) for i in left for name in left[i])


def same_tables(left, right, run_ids=None) -> None:
    for kind in TABLES:
        tables = [cohort.table(kind) for cohort in (left, right)]
        if run_ids is not None:
            tables = [table[table.run_id.isin(run_ids)].reset_index(drop=True) for table in tables]
        pd.testing.assert_frame_equal(*tables, check_exact=True)


# The truth: one network, a plain loop.


def serial(config: RunConfig) -> dict[str, torch.Tensor]:
    dtype = getattr(torch, config.precision)
    dataset = data.load(config.data, config.precision)
    built = built_network.build(config.model, dataset.input_shape, 10)
    module = copy.deepcopy(built.module).to(dtype).requires_grad_()
    module.load_state_dict({k: v.to(dtype) for k, v in built.initial(config.init, config.seed).items()})
    given = config.optimizer
    choice = {"lr": given.lr, "weight_decay": given.weight_decay}
    optimizer = (
        torch.optim.SGD(module.parameters(), momentum=given.momentum, **choice)
        if given.name == "sgd"
        else torch.optim.Adam(module.parameters(), **choice)
    )
    labels = data.train_labels(dataset, config.phases[0], config.seed)
    for epoch in range(config.stop.max_epochs):
        order = torch.from_numpy(RandomStream(config.seed, "order/train", epoch).permutation(len(labels)))
        for batch in order.split(given.batch_size):
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(module(dataset.train.inputs[batch]), labels[batch]).backward()
            optimizer.step()
    return {name: value.detach() for name, value in module.named_parameters()}


@pytest.mark.parametrize(("optimizer", "precision"), [("sgd", "float32"), ("adam", "float64")])
@pytest.mark.parametrize(
    ("model", "kernel"),
    [(MLP, "batched"), (MLP, "loop"), (CNN, "batched"), (CNN, "loop"), (MODULE, "vmap"), (MODULE, "loop")],
)
def test_stack_training_equals_a_plain_loop(cohort, model, kernel, optimizer, precision):
    def config(seed: int) -> dict:
        rates = {"lr": 0.002 * (seed + 1) * (10 if optimizer == "sgd" else 1), "weight_decay": 0.01 * seed}
        rates |= {"momentum": 0.3 * seed} if optimizer == "sgd" else {}
        size = {"train_size": 200, "label_corruption": 0.1 * seed}
        # 7 steps an epoch, the last of 20 examples: 105 steps
        stop = {"train_loss": None, "max_epochs": 15}
        batches = {"name": optimizer, "batch_size": 30, **rates}
        return run(seed, model=model, data=size, optimizer=batches, stop=stop, precision=precision)

    trained = cohort("c", [config(seed) for seed in range(3)], plan=(kernel, 2)).train()
    tolerance = {"float32": {"rtol": 1e-3, "atol": 1e-4}, "float64": {"rtol": 1e-9, "atol": 1e-11}}[precision]
    for config_, values in zip(trained.configs, map(trained.final().get, trained.run_ids), strict=True):
        torch.testing.assert_close(values, serial(config_), **tolerance)


def test_outcomes_equal_those_of_the_final_network(cohort):
    trained = cohort("c", [run(seed, data=SMALL | {"label_corruption": 0.3}) for seed in range(3)]).train()
    for config in trained.configs:
        dataset = data.load(config.data)
        module = built_network.build(config.model, dataset.input_shape, 10).module
        module.load_state_dict(trained.final()[config.run_id])
        for name, split in dataset.splits.items():
            labels = data.train_labels(dataset, config.phases[-1], config.seed) if name == "train" else split.labels
            logits = module(split.inputs)
            losses = nn.CrossEntropyLoss(reduction="none")(logits, labels)
            expected = [losses.mean(), losses.var(correction=0), (logits.argmax(1) != labels).float().mean()]
            found = [trained.value(config.run_id, key, name) for key in ("loss", "loss_variance", "error")]
            assert found == pytest.approx([float(value) for value in expected], rel=1e-5)


def test_modules_unsupported_by_vmap_are_trained_in_a_loop(cohort):
    model = MODULE | {"path": "test_training:Branching"}
    trained = cohort("c", [run(seed, model=model) for seed in range(2)]).train()
    stored = trained.files.folder.read_json("stacks.json")
    assert (stored["kernel"], stored["size"]) == ("loop", 2)


# A run does not depend on its company.


def mixed(count: int, data_=SMALL, **sections) -> list[dict]:
    """Runs that differ in all that may differ in a stack, and stop at different epochs."""
    return [
        run(
            seed,
            data=data_ | {"label_corruption": 0.1 * (seed % 3)},
            init={"scale": 0.5 + 0.1 * (seed % 5)},
            optimizer={"batch_size": 31, "lr": 0.05 + 0.01 * (seed % 7), "weight_decay": 1e-3 * (seed % 2)},
            stop={"train_loss": [0.2, 1.0, 2.2, None][seed % 4], "max_epochs": 12 + seed % 3},
            **sections,
        )
        for seed in range(count)
    ]


@pytest.mark.parametrize(
    ("model", "data_"),
    [
        (MLP, SMALL),
        (MLP | {"width": 64, "depth": 2, "bias": "none"}, SMALL),
        ({"width": 34}, {"train_size": 999}),
        ({"width": 33}, {"train_size": 999}),
        ({"width": 5, "depth": 4}, {"train_size": 333}),
        ({"width": 1}, {"train_size": 333}),
    ],
)
def test_a_run_alone_and_in_a_stack_of_64_agree_bit_for_bit(cohort, model, data_):
    configs = mixed(64, data_, model=model)
    together = cohort("c64", configs).train()
    assert together.table("runs").epoch.nunique() > 4
    for position in (0, 3, 34, 63):
        alone = cohort(f"alone{position}", [configs[position]]).train()
        own = {run_id: together.final()[run_id] for run_id in alone.run_ids}
        assert equal(alone.final(), own)
        for kind in ("runs", "outcomes", "dynamics"):
            table, whole = alone.table(kind), together.table(kind)
            whole = whole[whole.run_id.isin(alone.run_ids)].reset_index(drop=True)
            pd.testing.assert_frame_equal(table, whole, check_dtype=False, check_exact=True)


@pytest.mark.parametrize("kernel", ["batched", "loop"])
def test_a_convolutional_run_alone_and_in_a_stack_agree_to_float_tolerance(cohort, kernel):
    configs = mixed(6, model=CNN)
    together = cohort("all", configs, plan=(kernel, 4)).train().final()
    for position in (0, 5):
        alone = cohort(f"alone{position}", [configs[position]], plan=("loop", 1)).train().final()
        for run_id, values in alone.items():
            torch.testing.assert_close(values, together[run_id], rtol=1e-3, atol=1e-5)


def test_loss_is_checked_at_the_same_epochs_in_every_stack(cohort):
    slow = run(0, stop={"train_loss": 100.0, "max_epochs": 20, "check_every": 7})
    short = run(1, stop={"train_loss": None, "max_epochs": 3, "check_every": 7})
    pair, alone = (
        cohort("pair", [slow, short]).train(),
        cohort("alone", [slow], record={"epochs": [1]}).train(),
    )
    for trained in (pair, alone):
        runs = trained.table("runs").set_index("run_id")
        assert tuple(runs.loc[alone.run_ids[0], ["epoch", "status"]]) == (7, "converged")
    assert equal(alone.final(), {run_id: pair.final()[run_id] for run_id in alone.run_ids})


def test_the_same_cohort_twice_gives_the_same_tables(cohort):
    first, second = (cohort(name, mixed(9, pretrain={"epochs": 2, "label_corruption": 1.0})) for name in "ab")
    same_tables(first.train(), second.train())
    assert equal(first.final(), second.final())


# Stops.


def test_runs_stop_by_their_own_rule_after_at_least_one_epoch(cohort):
    stops = [(100.0, 5), (0.0, 2), (None, 4), (1.5, 50)]
    trained = cohort("c", [run(0, stop={"train_loss": t, "max_epochs": m}) for t, m in stops]).train()
    runs = trained.table("runs").set_index("run_id").loc[trained.run_ids]
    assert runs.status.tolist() == ["converged", "limit", "limit", "converged"]
    assert runs.epoch.tolist()[:3] == [1, 2, 4]
    assert trained.value(trained.run_ids[3], "loss", "train") <= 1.5
    assert trained.value(trained.run_ids[3], "epochs_to_target") == runs.epoch.iloc[3]
    assert trained.value(trained.run_ids[1], "epochs_to_target") != trained.value(
        trained.run_ids[0], "epochs_to_target"
    )


def test_pretraining_has_its_own_labels_and_the_test_labels_are_never_corrupted(cohort):
    pretrain = {"epochs": 30, "label_corruption": 1.0, "corruption": "swap"}
    trained = cohort("c", [run(0, pretrain=pretrain, stop={"train_loss": 0.1, "max_epochs": 60})]).train()
    outcomes = trained.table("outcomes").pivot_table(index=["phase", "step"], columns=["split", "name"], values="value")
    assert outcomes.loc["pretrain", ("test", "error")].iloc[-1] > 0.9
    assert outcomes.loc["train", ("test", "error")].iloc[-1] < 0.9
    start, end = outcomes.loc["train"].iloc[0], outcomes.loc["pretrain"].iloc[-1]
    assert start[("test", "loss")] == end[("test", "loss")] and start[("train", "loss")] > end[("train", "loss")]


HUGE = {"batch_size": 30, "lr": 1e12}


def test_diverging_run_ends_and_does_not_change_others(cohort):
    calm = mixed(3)
    wild = [run(seed, optimizer=HUGE | {"batch_size": 31}) for seed in (10, 11)]
    alone, together = cohort("alone", calm).train(), cohort("together", [wild[0], *calm, wild[1]]).train()
    same_tables(alone, together, alone.run_ids)
    assert equal(alone.final(), {run_id: together.final()[run_id] for run_id in alone.run_ids})
    runs = together.table("runs").set_index("run_id")
    assert runs.loc[[together.run_ids[0], together.run_ids[-1]], "status"].tolist() == ["diverged"] * 2


def test_cohort_that_diverges_in_pretraining_ends(cohort):
    trained = cohort("c", [run(0, optimizer=HUGE, pretrain={"epochs": 3})]).train()
    assert trained.table("runs").status.tolist() == ["diverged"]
    assert trained.table("runs").phase.tolist() == ["pretrain"]
    assert not trained.files.folder.names(paths.STATES)


# Pruning.


def pruned(base: dict, **prune) -> dict:
    return base | {"prune": {"fraction": 0.7, **prune}}


@pytest.mark.parametrize("optimizer", [{"momentum": 0.9, "weight_decay": 0.01}, {"name": "adam", "lr": 0.01}])
@pytest.mark.parametrize("method", ["magnitude", "layer_magnitude"])
def test_pruned_weights_are_the_smallest_and_stay_zero(cohort, method, optimizer):
    base = run(0, optimizer={"batch_size": 30, **optimizer}, pretrain={"epochs": 1})
    parent = cohort("parent", [base]).train()
    child = cohort("child", [pruned(base, method=method)], ("parent",)).train()
    dense, sparse = parent.final()[parent.run_ids[0]], child.final()[child.run_ids[0]]
    names = [name for name in dense if name.endswith("weight")]
    for group in [names] if method == "magnitude" else [[name] for name in names]:
        sizes = torch.cat([dense[name].abs().flatten() for name in group])
        gone = torch.cat([sparse[name].flatten() for name in group]) == 0
        assert gone.sum() == round(0.7 * len(sizes))
        assert sizes[gone].max() <= sizes[~gone].min()
    assert (sparse["4.bias" if "4.bias" in sparse else "5.bias"] != 0).all()


def count_pruned(masks: dict[str, torch.Tensor]) -> int:
    return sum(int((~mask).sum()) for mask in masks.values())


def test_weight_that_happens_to_be_zero_is_not_pruned(cohort, tmp_path):
    """From zeros every weight stays zero; only the stored masks say which ones were pruned."""
    base = run(0, init={"scheme": "zeros"})
    cohort("dense", [base]).train()
    once = cohort("once", [pruned(base)], ("dense",)).train()
    twice = cohort("twice", [pruned(base, rounds=2)], ("dense", "once")).train()
    weights = [name for name in once.final()[once.run_ids[0]] if name.endswith("weight")]
    size = sum(once.final()[once.run_ids[0]][name].numel() for name in weights)
    first, second = (trained.final_masks()[trained.run_ids[0]] for trained in (once, twice))
    assert not any(once.final()[once.run_ids[0]][name].any() for name in weights)
    assert sorted(first) == sorted(weights)
    assert count_pruned(first) == round(0.7 * size)
    assert count_pruned(second) == round((1 - 0.3**2) * size)
    assert not any((second[name] & ~first[name]).any() for name in weights)
    masks = load_results(tmp_path).masks(once.run_ids[0])
    assert all(torch.equal(masks[name], first[name]) for name in weights)
    assert load_results(tmp_path).masks(once.configs[0].parent.run_id) == {}


def test_resetting_a_layer_keeps_only_pruned_weights_at_zero(cohort):
    base = run(0)
    cohort("dense", [base]).train()
    parent = cohort("pruned", [pruned(base)], ("dense",)).train()
    path = paths.final(1)
    stored = read_parameters(parent.files.folder, path)
    stored.tensors["1.weight"][0] = 0  # as if all kept weights of the first layer had come to zero
    write_parameters(parent.files.folder, path, stored.tensors, stored.masks, stored.metadata)
    reset = pruned(base) | {"reset": {"layers": [1], "to": "random"}}
    child = cohort("reset", [reset], ("pruned",)).train()
    (run_id,) = child.run_ids
    mask = stored.masks["1.weight"][0]
    assert torch.equal(child.final()[run_id]["1.weight"] != 0, mask)
    assert torch.equal(child.final_masks()[run_id]["1.weight"], mask)


def test_rewinding_decides_where_retraining_starts(cohort):
    base = run(0, pretrain={"epochs": 2, "label_corruption": 0.5})
    parent = cohort("parent", [base], record={"epochs": [1]}).train()
    child = cohort("child", [pruned(base, rewind=to) for to in ("init", "train", "none")], ("parent",)).train()
    (dense,) = parent.run_ids
    points = [parent.checkpoint(stem)[dense] for stem in ("pretrain-00000000", "train-00000000")]
    starts = child.checkpoint("prune1-00000000")
    table = child.table("dynamics").query("name == 'path_length_from_init' and step == 0").set_index("run_id").value
    for run_id, origin in zip(child.run_ids, [*points, parent.final()[dense]], strict=True):
        start = starts[run_id]
        kept = {name: value != 0 for name, value in start.items()}
        assert all(torch.equal(start[name], origin[name] * kept[name]) for name in origin)
    whole = parent.value(dense, "path_length_from_init")
    walked = parent.table("dynamics").query("phase == 'pretrain' and name == 'path_length'").value.iloc[-1]
    assert table[child.run_ids].tolist() == pytest.approx([0, walked, whole], rel=1e-9)


@pytest.mark.parametrize("target", [None, 1e-9])  # with one, runs may leave at the start
@pytest.mark.parametrize("batch_size", [30, 100])
def test_children_of_a_diverged_parent_have_diverged_and_do_not_change_others(cohort, batch_size, target):
    # One step of 100 examples ends with finite parameters whose loss is not.
    both = {"pretrain": {"epochs": 1}, "stop": {"train_loss": target, "max_epochs": 3}}
    calm, wild = (
        run(0, optimizer={"batch_size": batch_size}, **both),
        run(1, optimizer=HUGE | {"batch_size": batch_size}, **both),
    )
    cohort("calm", [calm]).train(), cohort("wild", [wild]).train()
    lost = [pruned(wild, rewind=rewind) for rewind in ("init", "train", "none")]
    together = cohort("together", [*lost, pruned(calm)], ("calm", "wild")).train()
    alone = cohort("alone", [pruned(calm)], ("calm",)).train()
    assert together.table("runs").set_index("run_id").loc[together.run_ids, "status"].tolist() == [
        *["diverged"] * 3,
        "limit",
    ]
    same_tables(alone, together, alone.run_ids)


# Killed anywhere.


class Killed(BaseException):
    """What nobody catches, as a signal."""


def dies_at_write(cohort_, monkeypatch, at: int, save_every_seconds: float) -> bool:
    """Train, and die before the `at`-th file is written; whether it came to that."""
    counter, write = itertools.count(), Folder.write

    def dying(folder: Folder, path: str, content: bytes) -> None:
        if next(counter) == at:
            raise Killed
        write(folder, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", dying)
        try:
            cohort_.start(save_every_seconds).advance(1e9)
        except Killed:
            return True
    return False


def killable(cohort, name: str):
    """Two phases, and runs that stop one after the other."""
    pretrain, optimizer = {"epochs": 2, "label_corruption": 0.5}, {"batch_size": 30, "momentum": 0.9}
    stops = [{"train_loss": None, "max_epochs": epochs} for epochs in (1, 2)]
    configs = [run(0, optimizer=optimizer, stop=stop, pretrain=pretrain) for stop in stops]
    return cohort(name, configs, record={"epochs": [0], "measure_at": "checkpoints"})


def same(left, right) -> None:
    same_tables(left, right)
    assert equal(left.final(), right.final())
    places = [[paths.checkpoint_place(name) for name in each.files.names("checkpoints")] for each in (left, right)]
    assert places[0] == places[1]
    assert not any(cohort_.files.folder.names(paths.STATES) for cohort_ in (left, right))


@pytest.mark.parametrize("first_saves_every", [0, 1e9])
def test_killing_training_at_any_write_does_not_change_results(cohort, monkeypatch, first_saves_every):
    monkeypatch.setattr(CohortTraining, "_steps_until", lambda *_: 3)
    whole = killable(cohort, "whole").train()
    for at in itertools.count():
        broken = killable(cohort, f"broken{at}")
        died = dies_at_write(broken, monkeypatch, at, first_saves_every)
        assert broken.start(save_every_seconds=0).advance(1e9).done
        same(whole, broken)
        if not died:
            break
    assert at > 5


@pytest.mark.parametrize("model", [MLP | {"bias": "none"}, CNN | {"kernel": 2}])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_resuming_after_every_epoch_does_not_change_results(cohort, model, optimizer):
    def one(name: str):
        configs = [run(seed, model=model, optimizer={"name": optimizer, "batch_size": 30}) for seed in range(2)]
        return cohort(name, configs, plan=("batched", 2))

    whole, broken, starts = one("whole").train(), one("broken"), 0
    while not broken.start(save_every_seconds=0).advance(1e-6).done:
        starts += 1
    same(whole, broken)
    assert starts >= 2


def test_state_is_saved_and_restored_in_the_middle_of_an_epoch(cohort):
    """Where layers draw, and biases are reduced in blocks of steps."""
    configs = [
        run(
            seed,
            model=MLP | {"dropout": 0.3},
            optimizer={"batch_size": 1, "lr": 0.01},
            stop={"train_loss": None, "max_epochs": 2, "max_steps": 130},
        )
        for seed in range(3)
    ]
    whole, broken = (
        cohort("whole", configs, plan=("batched", 2)).train(),
        cohort("broken", configs, plan=("batched", 2)),
    )
    within = 0
    while True:
        training = broken.start(save_every_seconds=0)
        steps = training.step
        for _ in range(13):
            progress = training.advance(0)
        if progress.done:
            break
        assert training.step == steps + 13
        within += training.step % 100 > 0
    assert within > 5
    same(whole, broken)


@pytest.mark.parametrize("content", [b"", b"half a state", None])
def test_damaged_state_is_reported_once_and_the_cohort_begins_anew(cohort, content):
    whole, broken = killable(cohort, "whole").train(), killable(cohort, "broken")
    broken.start(save_every_seconds=0).advance(1e-6)
    folder = broken.files.folder
    if content is None:  # a file of tensors, but of something else
        folder.write_tensors(broken.files.state_path, {"x": torch.zeros(1)}, {})
    else:
        folder.write(broken.files.state_path, content)
    training = broken.start(save_every_seconds=0)
    (warning,) = training.advance(0).warnings
    assert folder.uri in warning and paths.DAMAGED_STATE in warning and folder.exists(paths.DAMAGED_STATE)
    assert training.advance(0).warnings == [] and broken.start().advance(1e9).done
    same(whole, broken)
    assert not folder.exists(paths.DAMAGED_STATE)


def test_training_leaves_the_settings_of_the_process_as_they_were(cohort, monkeypatch):
    flags = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [flag.allow_tf32 for flag in flags], torch.get_num_threads()
    seen = []
    for arithmetic in ("full", "tf32"):
        training = cohort(arithmetic, [run(optimizer={"batch_size": 30, "arithmetic": arithmetic})]).start()
        with monkeypatch.context() as patch:
            patch.setattr(Stack, "train", lambda *rest: seen.append([flag.allow_tf32 for flag in flags]))
            training.advance(0)
    assert seen == [[False, False], [True, True]]
    assert before == ([flag.allow_tf32 for flag in flags], torch.get_num_threads())


def test_resumed_pruned_cohort_keeps_its_masks(cohort):
    base = run(0)
    cohort("parent", [base]).train()
    whole, broken = (cohort(name, [pruned(base)], ("parent",)) for name in ("whole", "broken"))
    broken.start(save_every_seconds=0).advance(1e-6)
    same(whole.train(), broken.train())


def test_a_finished_cohort_is_not_trained_again(cohort, monkeypatch):
    trained = cohort("c", [run()]).train()
    assert not dies_at_write(trained, monkeypatch, 0, save_every_seconds=0)
    assert trained.start().advance(1e9).runs_done == 1


def test_cohort_killed_after_its_last_row_loses_only_its_state(cohort, monkeypatch):
    trained = cohort("c", [run()])
    monkeypatch.setattr(Folder, "delete", lambda folder, path: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        trained.train()
    monkeypatch.undo()
    assert trained.start().advance(1e9).done and not trained.files.folder.names(paths.STATES)


def test_starting_actor_touches_no_file_of_another_cohort(cohort, monkeypatch):
    """Tune starts an actor for a trial, and gives the trial to one that became free before it was up."""
    trained = cohort("a", [run()])
    trained.start()
    trained.files.folder.write(paths.final(1), b"half a save of the other actor")
    trained.files.folder.write_json(paths.failure(""), {"traceback": "of an earlier attempt"})
    config = {"results": trained.results.uri, "cohort_id": "a", "cpus": 1, "gpus": 0, "data": {}}
    trainable = CohortTrainable(config | {"kernel": None, "stack_size": None, "save_every_seconds": 20.0})
    assert trained.files.folder.exists(paths.final(1)) and trained.files.why_failed
    assert not trained.files.folder.exists(paths.table_part("runs", 1))
    monkeypatch.setattr(
        "benevolent.trainables.training.ray_trainable.assigned_device", lambda share: "cpu"
    )  # which asks Ray
    assert trainable.step()["done"] and trained.table("runs").status.tolist() == ["limit"]
    assert trained.files.why_failed is None and set(trained.final()) == set(trained.run_ids)


def test_a_cohort_that_was_not_started_does_not_report_that_it_is_done(cohort):
    folder = cohort("idle", [{"stop": {"max_epochs": 1}}])
    with pytest.raises(RuntimeError, match="start"):
        CohortTraining(folder.results, folder.name, "cpu", 1e9).advance()
