"""What is done to labels and inputs, and what each run of a stack sees of it."""

import itertools

import pytest
import torch
from torch.nn import functional

from benevolent.trainables import data
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.config.phase import Phase
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import loading
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import RandomStream, StackGenerator, generator

TRAIN = Phase("train", 0.0, "redraw", 1)


def labels(count: int = 1000) -> torch.Tensor:
    return torch.from_numpy(generator(0, "test").integers(0, 10, count))


def runs(*fields: dict, seeds=(0,)) -> list[RunConfig]:
    return [RunConfig.parse({"data": one, "seed": seed}) for one in fields for seed in seeds]


def images(count: int = 200, channels: int = 2) -> torch.Tensor:
    """No two pixels of an image are alike, so that a permutation can be read off it."""
    return torch.arange(count * channels * 12, dtype=torch.float32).reshape(count, channels, 3, 4)


# ---- labels


@pytest.mark.parametrize("fraction", [0, 0.001, 0.25, 0.3337, 1])
def test_swap_makes_exactly_the_fraction_wrong(fraction):
    clean = labels()
    wrong = data.corrupt(clean, 10, fraction, "swap", 0, "train")
    assert (wrong != clean).sum() == round(fraction * 1000)
    assert wrong.min() >= 0 and wrong.max() < 10


def test_redraw_leaves_some_right_and_is_uniform_over_the_classes():
    clean = torch.zeros(20_000, dtype=torch.long)
    counts = data.corrupt(clean, 10, 0.5, "redraw", 0, "train").bincount(minlength=10)
    assert counts[0] == pytest.approx(11_000, abs=150)
    assert counts[1:].tolist() == pytest.approx([1_000] * 9, abs=150)


@pytest.mark.parametrize("method", ["swap", "redraw"])
def test_a_smaller_corruption_is_part_of_a_larger_one(method):
    clean = labels()
    small, large = (data.corrupt(clean, 10, fraction, method, 7, "train") for fraction in (0.2, 0.6))
    changed = small != clean
    assert torch.equal(large[changed], small[changed]) and changed.any()


def test_corruption_is_seeded_by_run_and_stream():
    clean = labels()
    draws = [data.corrupt(clean, 10, 0.5, "swap", *key) for key in [(0, "a"), (0, "a"), (1, "a"), (0, "b")]]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2]) and not torch.equal(draws[0], draws[3])


def test_labels_are_shared_by_all_phases_except_pretraining():
    dataset = data.load(DataConfig())
    pretrain, train, prune = (
        data.train_labels(dataset, Phase(name, 0.5, "swap", 1), 4) for name in ("pretrain", "train", "prune1")
    )
    assert torch.equal(train, prune) and not torch.equal(pretrain, train)


def test_labels_of_a_stack_equal_those_of_its_runs():
    configs = runs({"label_corruption": 0.3}, {}, seeds=(0, 1))
    dataset, phases = data.load(configs[0].data), [config.phases[-1] for config in configs]
    found = data.labels_of(dataset, configs, phases, "train")
    own = [data.train_labels(dataset, phase, config.seed) for config, phase in zip(configs, phases, strict=True)]
    assert torch.equal(found, torch.stack(own))
    assert torch.equal(found[2], found[3]) and not torch.equal(found[0], found[1])


def test_held_out_labels_are_corrupted_only_where_asked():
    corrupted = {"label_corruption": 0.25, "corruption": "swap"}
    configs = runs(corrupted, corrupted | {"corrupt_test": True}, {"corrupt_test": True})
    dataset = data.load(configs[0].data)
    for split in ("validation", "test"):
        clean = dataset.splits[split].labels
        found = data.labels_of(dataset, configs, [TRAIN] * 3, split)
        assert (found != clean).sum(1).tolist() == [0, round(0.25 * len(clean)), 0]


def test_real_targets_cannot_be_corrupted():
    with pytest.raises(BadInput, match="are not classes"):
        data.corrupt(torch.zeros(3), 0, 0.5, "swap", 0, "train")


# ---- inputs


def test_permuted_moves_all_images_alike_and_can_be_undone():
    old = images()
    train, test = (data.replace_pixels(old, "permuted", 1, 3, split).flatten(2) for split in ("train", "test"))
    back = train[0, 0].argsort()  # the pixels of the first image were in ascending order
    assert torch.equal(train[:, :, back].view_as(old), old) and torch.equal(train, test)
    assert not torch.equal(train, data.replace_pixels(old, "permuted", 1, 4, "train").flatten(2))


def test_shuffled_moves_each_image_differently_and_keeps_channels_together():
    old = images(1500)
    new = data.replace_pixels(old, "shuffled", 1, 3, "train").flatten(2)
    assert torch.equal(new.sort(2).values.view_as(old), old)
    orders = new[:, 0].argsort(1)
    assert torch.equal(orders, new[:, 1].argsort(1))
    assert len({tuple(order) for order in orders.tolist()}) > 1490
    assert orders.double().mean(0).tolist() == pytest.approx([5.5] * 12, abs=0.5)


def test_gaussian_inputs_have_the_mean_and_the_variance_of_each_channel():
    old = torch.rand(4000, 2, 5, 5) * torch.tensor([1.0, 4.0]).view(2, 1, 1) + 3
    new = data.replace_pixels(old, "gaussian", 1, 0, "train")
    for moment in (torch.mean, torch.std):
        torch.testing.assert_close(moment(new, (0, 2, 3)), moment(old, (0, 2, 3)), rtol=0.02, atol=0)
    white = (new[:, 0] - new[:, 0].mean()).flatten(1)
    assert (white.pow(4).mean() / white.pow(2).mean() ** 2).item() == pytest.approx(3, abs=0.1)
    assert torch.corrcoef(white.T).fill_diagonal_(0).abs().max() < 0.08


@pytest.mark.parametrize("method", ["permuted", "shuffled", "gaussian"])
def test_exactly_the_fraction_is_replaced_and_a_smaller_one_is_part_of_a_larger(method):
    old = images()
    none, small, large = (data.replace_pixels(old, method, fraction, 1, "train") for fraction in (0, 0.2, 0.605))
    changed = [(new != old).flatten(1).any(1) for new in (small, large)]
    assert torch.equal(none, old) and [int(one.sum()) for one in changed] == [40, 121]
    assert torch.equal(small[changed[0]], large[changed[0]])


# ---- what a stack reads


def test_runs_with_equal_inputs_share_one_set():
    configs = runs({}, {"label_corruption": 0.5}, seeds=(0, 1))
    dataset = data.load(configs[0].data)
    found = data.inputs_of(dataset, configs, "train")
    assert found.stored.data_ptr() == dataset.train.inputs.data_ptr()
    assert found.slot.tolist() == [0] * 4 and found.rows().shape == (4, 1000, 1, 8, 8)
    index = torch.randint(0, 1000, (4, 32))
    assert torch.equal(found.gather(index), dataset.train.inputs[index])


def test_each_run_reads_its_own_set():
    configs = runs({}, {"pixels": "shuffled"}, {"pixels": "gaussian", "pixels_fraction": 0.5}, seeds=(0, 1))
    configs += runs({"pixels": "gaussian", "pixels_fraction": 0.0})
    dataset = data.load(configs[0].data)
    found = data.inputs_of(dataset, configs, "train")
    assert found.slot.tolist() == [0, 0, 1, 2, 3, 4, 0] and len(found) == 7
    index = torch.randint(0, 1000, (7, 5))
    for k, config in enumerate(configs):
        alone = data.inputs_of(data.load(config.data), [config], "train").rows()[0]
        assert torch.equal(found.gather(index)[k], alone[index[k]])
        assert torch.equal(found.rows(10, 20)[k], alone[10:20])
    some = found.pick(torch.tensor([5, 2]))
    assert torch.equal(some.rows(), found.rows()[[5, 2]])
    assert torch.equal(found.pick(slice(2, 4)).rows(0, 3), found.rows(0, 3)[2:4])


def test_held_out_inputs_stay_natural_unless_all_images_are_permuted_alike():
    configs = runs({}, {"pixels": "shuffled"}, {"pixels": "gaussian"}, {"pixels": "permuted"})
    dataset = data.load(configs[0].data)
    for split in ("validation", "test"):
        found = data.inputs_of(dataset, configs, split)
        assert found.slot.tolist() == [0, 0, 0, 1]
    train, test = (data.inputs_of(dataset, configs[-1:], split).rows()[0] for split in ("train", "test"))
    order = RandomStream(0, "pixels/permutation").permutation(64)
    for new, old in ((train, dataset.train.inputs), (test, dataset.test.inputs)):
        assert torch.equal(new.flatten(1), old.flatten(1)[:, order])


def test_input_noise_is_drawn_per_run_and_leaves_held_out_inputs_clean():
    configs = runs({}, {"input_noise": 0.5}, {"input_noise": 0.1}, seeds=(0, 1))
    dataset = data.load(configs[0].data)
    clean, same, strong, other_seed, weak, _ = data.inputs_of(dataset, configs, "train").rows()
    assert torch.equal(clean, dataset.train.inputs) and torch.equal(same, clean)
    noise = strong - clean
    assert noise.mean() == pytest.approx(0, abs=0.01) and noise.std() == pytest.approx(0.5, rel=0.01)
    assert torch.allclose(weak - clean, noise / 5, atol=1e-6)  # a scale of the same draws
    assert abs(torch.corrcoef(torch.stack([noise.flatten(), (other_seed - clean).flatten()]))[0, 1]) < 0.02
    alone = data.inputs_of(dataset, configs[2:3], "train").rows()[0]
    assert torch.equal(alone, strong)
    for split in ("validation", "test"):
        assert data.inputs_of(dataset, configs, split).slot.tolist() == [0] * 6


def test_input_noise_is_trained_on_and_changes_the_run(cohort):
    configs = [{"data": {"input_noise": noise, "train_size": 100}, "stop": {"max_epochs": 2}} for noise in (0.0, 0.3)]
    trained = cohort("noisy", configs).train()
    losses = [trained.value(run_id, "loss", "train") for run_id in trained.run_ids]
    assert trained.run_ids[0] != trained.run_ids[1] and losses[0] != losses[1]


def test_uint8_and_float_inputs_go_into_one_stack(monkeypatch):
    configs = runs({}, {"pixels": "permuted"}, {"pixels": "gaussian"})
    floats = data.inputs_of(data.load(configs[0].data), configs, "train")
    monkeypatch.setattr(loading, "FLOAT_BYTES", 0)
    loading._load.cache_clear()
    dataset = data.load(configs[0].data)
    for some in (configs, configs[:2], configs[1:2]):
        kept = data.inputs_of(dataset, some, "train")
        assert (kept.mean is None) == (len(some) == 3)
        places = [configs.index(config) for config in some]
        index = torch.randint(0, 1000, (len(some), 9))
        torch.testing.assert_close(kept.gather(index), floats.pick(torch.tensor(places)).gather(index))
        torch.testing.assert_close(kept.rows(3, 9), floats.pick(torch.tensor(places)).rows(3, 9))
    loading._load.cache_clear()


def test_fields_without_effect_do_not_change_the_run_id():
    def run_id(**fields) -> str:
        return RunConfig.parse({"data": fields}).run_id

    assert run_id(corrupt_test=True) == run_id(pixels="gaussian", pixels_fraction=0) == run_id()
    assert run_id(pixels_fraction=0.5) == run_id()
    different = [{}, {"pixels": "shuffled"}, {"pixels": "gaussian"}, {"pixels": "gaussian", "pixels_fraction": 0.5}]
    different += [{"classes": "low_high"}, {"pool": 2}, {"normalize": "half"}, {"name": "xord", "hard_test": True}]
    different += [
        {"crop": 1},
        {"augment": "flip"},
        {"label_corruption": 0.5},
        {"label_corruption": 0.5, "corrupt_test": True},
    ]
    assert len({run_id(**one) for one in different}) == len(different)


@pytest.mark.parametrize("kept", ["bytes", "floats"])
def test_windows_are_cut_from_whole_images_and_evaluated_in_the_center(kept, monkeypatch):
    if kept == "bytes":
        monkeypatch.setattr(loading, "FLOAT_BYTES", 0)
    loading._load.cache_clear()
    plain, window = (data.load(DataConfig(crop=2, train_size=50, augment=one)) for one in ("none", "window"))
    whole = data.load(DataConfig(train_size=50)).train
    loading._load.cache_clear()
    assert window.input_shape == plain.input_shape == (1, 4, 4)
    for name in plain.splits:
        assert torch.equal(window.splits[name].inputs, plain.splits[name].inputs)
    index = torch.arange(50).unsqueeze(0)
    given = window.train.sets.gather(index, whole=True)[0]
    assert given.shape == (50, 1, 8, 8) and torch.equal(given[..., 2:-2, 2:-2], plain.train.inputs)
    assert torch.corrcoef(torch.stack([given.flatten(), whole.inputs.flatten()]))[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("method", ["flip", "shift", "shift_flip", "window", "window_flip"])
def test_each_image_is_shifted_and_flipped_independently(method):
    image, border = 1 + images(1)[0], int("window" in method)
    likely = [image]
    if method != "flip":
        most, (height, width) = border or 4, (side - 2 * border for side in image.shape[1:])
        padded = image if border else functional.pad(image, [4] * 4)
        places = itertools.product(range(2 * most + 1), repeat=2)
        likely = [padded[:, y : y + height, x : x + width] for y, x in places]
    likely = [turned for one in likely for turned in ([one, one.flip(-1)] if "flip" in method else [one])]
    batch = data.augmented(image.expand(2, 5000, -1, -1, -1), method, StackGenerator([0, 1], "augment", 0), border)
    assert not torch.equal(*batch)
    for own in batch:
        assert {one.numpy().tobytes() for one in own} == {one.contiguous().numpy().tobytes() for one in likely}
        assert (own.mean(0) - torch.stack(likely).mean(0)).abs().max() < 0.03 * image.max()  # all equally often


def test_augmented_images_are_trained_on_and_natural_ones_evaluated(cohort):
    small = {"train_size": 64, "validation_size": 16, "test_size": 50, "crop": 1}
    kinds = [{}, {"augment": "shift"}, {"augment": "window"}]
    ends = []
    for i, kind in enumerate(kinds):
        trained = cohort(str(i), [{"data": small | kind, "stop": {"train_loss": None, "max_epochs": 1}}]).train()
        rows = trained.table("outcomes").query("name == 'loss'").sort_values(["step", "split"])
        ends.append(rows["value"].tolist())
    assert ends[0][:3] == ends[1][:3] == ends[2][:3]  # on three splits, before the first step
    assert len({end[-1] for end in ends}) == 3


def test_training_does_not_depend_on_the_data_of_other_runs(cohort):
    small = {"train_size": 64, "validation_size": 16, "test_size": 50}
    kinds = [{}, {"pixels": "permuted"}, {"pixels": "shuffled", "pixels_fraction": 0.5}, {"label_corruption": 0.5}]
    kinds.append({"label_corruption": 0.5, "corrupt_test": True})
    configs = [{"data": small | kind, "stop": {"train_loss": None, "max_epochs": 3}} for kind in kinds]
    together = cohort("all", configs).train()
    losses = [together.value(run_id, "loss", "test") for run_id in together.run_ids]
    for i, config in enumerate(configs):
        alone = cohort(f"alone{i}", [config]).train()
        assert alone.value(alone.run_ids[0], "loss", "test") == losses[i]
    assert len(set(losses)) == 5


def test_fresh_examples_are_the_same_after_a_restart(cohort):
    data = {"name": "staircase", "fresh": True, "train_size": 64, "validation_size": 0, "test_size": 50}
    config = {"data": data, "stop": {"train_loss": None, "max_epochs": 4}}
    whole = cohort("whole", [config]).train()
    broken = cohort("broken", [config])
    training = broken.start(save_every_seconds=0)
    for _ in range(3):
        training.advance_epoch()
    training._save()
    broken.train()
    for name, value in whole.final()[whole.run_ids[0]].items():
        assert torch.equal(value, broken.final()[whole.run_ids[0]][name])
