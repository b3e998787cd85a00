"""Random streams: Philox words by numpy and by tensors, and the numbers made of them."""

import functools

import numpy as np
import pytest
import scipy.stats
import torch

from benevolent.trainables import random_numbers, rng
from benevolent.trainables.philox import philox, tensor_words
from benevolent.trainables.rng import RandomStream, StackGenerator
from benevolent.trainables.stream_words import DeviceStreams, key_of

#: Counter, key and block of Philox4x64-10 in `kat_vectors` of the Random123 library of Salmon et al.
KNOWN_ANSWERS = [
    (
        ["0000000000000000"] * 4,
        ["0000000000000000"] * 2,
        ["16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b"],
    ),
    (
        ["ffffffffffffffff"] * 4,
        ["ffffffffffffffff"] * 2,
        ["87b092c3013fe90b", "438c3c67be8d0224", "9cc7d7c69cd777b6", "a09caebf594f0ba0"],
    ),
    (
        ["243f6a8885a308d3", "13198a2e03707344", "a4093822299f31d0", "082efa98ec4e6c89"],
        ["452821e638d01377", "be5466cf34e90c6c"],
        ["a528f45403e61d95", "38c72dbd566e9788", "a5a1610e72fd18b5", "57bd43b5e52b7fe6"],
    ),
]
SEEDS = [3, 1, 2**52 - 1]


@pytest.fixture
def on_a_device(monkeypatch):
    """Make a `StackGenerator` draw by the operations on tensors that a GPU uses."""

    def make(seeds: list[int]) -> StackGenerator:
        with monkeypatch.context() as patched:
            patched.setattr(rng, "CpuStreams", functools.partial(DeviceStreams, device="cpu"))
            return StackGenerator(seeds, "test", 4)

    return make


@pytest.mark.parametrize(("counter", "key", "block"), KNOWN_ANSWERS)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_philox_gives_the_known_answers(counter, key, block, library):
    def words(texts: list[str]) -> tuple:
        arrays = [np.array([int(text, 16)], np.uint64).view(np.int64) for text in texts]
        return tuple(map(torch.from_numpy, arrays)) if library == "torch" else tuple(arrays)

    found = philox(words(counter), words(key))
    assert [f"{int(word[0]) % 2**64:016x}" for word in found] == block


def test_tensor_words_are_those_of_numpy_from_any_block_on():
    keys = [key_of(seed, "test") for seed in SEEDS]
    tensor = torch.from_numpy(np.array(keys).view(np.int64))
    starts = [0, 5, 10**6]
    found = tensor_words(tensor, torch.tensor(starts), 3)
    for key, start, words in zip(keys, starts, found.numpy(), strict=True):
        expected = np.random.Philox(key=key, counter=start).random_raw(12)
        assert (words.view(np.uint64) == expected).all()
    assert torch.equal(tensor_words(tensor, 5, 3)[1], found[1])


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (40, 1000)])
def test_a_stack_draws_what_its_runs_draw_alone_on_every_device(on_a_device, shape):
    generators = [StackGenerator(SEEDS, "test", 4), on_a_device(SEEDS)]
    alone = [RandomStream(seed, "test", 4) for seed in SEEDS]
    for _ in range(2):
        uniform = torch.tensor(np.array([one.random(shape, single=True) for one in alone]))
        normal = torch.tensor(np.array([one.standard_normal(shape, single=True) for one in alone]))
        orders = torch.tensor(np.array([one.permutation(shape[-1]) for one in alone]))
        for stack in generators:
            assert torch.equal(stack.uniform(*shape), uniform)
            torch.testing.assert_close(stack.normal(*shape), normal, rtol=1e-5, atol=1e-6)
            assert torch.equal(stack.permutations(shape[-1]), orders)
    on_cpu, on_device = generators
    assert torch.equal(on_cpu.state(), on_device.state())
    seeds = on_cpu.seeds()
    assert on_device.seeds() == seeds and 0 <= min(seeds) < max(seeds) < 2**63


def test_normal_numbers_of_a_run_are_equal_to_the_last_bit_in_any_company():
    together = StackGenerator(SEEDS, "test", 0)
    alone = StackGenerator(SEEDS[1:2], "test", 0)
    for shape in ((5,), (33, 3), (20, 999)):
        assert torch.equal(together.normal(*shape)[1], alone.normal(*shape)[0])


@pytest.mark.parametrize("kind", ["cpu", "device"])
def test_some_runs_of_a_stack_go_on_where_they_are(on_a_device, kind):
    make = on_a_device if kind == "device" else functools.partial(StackGenerator, stream="test", epoch=4)
    stack, whole = make(SEEDS), make(SEEDS)
    rows = [whole.uniform(6) for _ in range(3)]
    assert torch.equal(stack.uniform(6), rows[0])
    some = stack.pick([2, 0])
    assert torch.equal(some.uniform(6), rows[1][[2, 0]])
    assert torch.equal(stack.pick([1]).uniform(6)[0], rows[1][1])
    state = stack.state()
    assert torch.equal(stack.uniform(6), rows[2])
    again = make(SEEDS)
    again.load(state)
    assert torch.equal(again.uniform(6), rows[2])


def test_integers_are_the_same_on_every_device_and_equally_likely():
    words = RandomStream(0, "words").words(50_000)
    tensor = torch.from_numpy(words.view(np.int64))
    for values in (2, 10, 2**31):
        found = random_numbers.integers(words, values)
        assert (random_numbers.integers(tensor, values).numpy() == found).all()
        assert found.min() >= 0 and found.max() < values
    counts = np.bincount(random_numbers.integers(words, 10))
    assert scipy.stats.chisquare(counts).pvalue > 0.001
    doubles = random_numbers.uniform(words, single=False)
    assert (random_numbers.uniform(tensor, single=False).numpy() == doubles).all()
    with pytest.raises(ValueError, match="allowed up to"):
        random_numbers.integers(words, random_numbers.LARGEST_RANGE + 1)


@pytest.mark.parametrize("single", [True, False])
def test_numbers_have_their_distribution(single):
    stream = RandomStream(0, "distribution")
    uniform = stream.random(40_001, single)
    normal = stream.standard_normal(40_001, single)
    assert uniform.dtype == normal.dtype == (np.float32 if single else np.float64)
    assert scipy.stats.kstest(uniform, "uniform").pvalue > 0.001
    assert scipy.stats.kstest(normal, "norm").pvalue > 0.001
    assert abs(np.corrcoef(normal[:20_000], normal[20_000:40_000])[0, 1]) < 0.03
    assert uniform.min() >= 0 and uniform.max() < 1 and np.isfinite(normal).all()


def test_normal_numbers_are_those_of_box_and_muller():
    words = RandomStream(0, "words").words(6)
    u, v = (words >> np.uint64(11)).reshape(2, 3) / 2**53
    radius = np.sqrt(-2 * np.log(u + 2**-53))
    expected = [*(radius * np.cos(2 * np.pi * v)), *(radius * np.sin(2 * np.pi * v))]
    assert random_numbers.normal(words, single=False) == pytest.approx(expected)


def test_all_permutations_are_equally_likely():
    orders = RandomStream(0, "orders").permutations(24_000, 4)
    assert (np.sort(orders) == np.arange(4)).all()
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24 and scipy.stats.chisquare(counts).pvalue > 0.001
    assert RandomStream(0, "one").permutation(1).tolist() == [0]


def test_streams_of_neighboring_keys_are_independent():
    numbers = [RandomStream(seed, "init", step).standard_normal(20_000) for seed in (0, 1) for step in (0, 1)]
    correlations = np.corrcoef(numbers)[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 4 / np.sqrt(20_000)


@pytest.mark.parametrize("kind", ["cpu", "device"])
def test_a_generator_follows_another_and_skips(on_a_device, kind):
    make = on_a_device if kind == "device" else functools.partial(StackGenerator, stream="test", epoch=4)
    whole, follower = make(SEEDS), make([7, 8, 9])
    whole.uniform(5)
    follower.follow(whole.pick([1, 2]))
    blocks = follower.blocks_drawn
    assert torch.equal(follower.uniform(6)[:2], whole.uniform(6)[1:])
    whole.uniform(6)
    follower.skip(follower.blocks_drawn - blocks)
    assert torch.equal(follower.uniform(6)[:2], whole.uniform(6)[1:])


@pytest.mark.slow
def test_compiled_words_are_those_of_numpy():
    streams = DeviceStreams([key_of(seed, "test") for seed in SEEDS], "cpu")
    streams.compile("aot_eager")
    rows = np.arange(len(SEEDS))
    for count in (4, 21):
        found = streams.words(rows, count).numpy().view(np.uint64)
        start = int(streams.blocks[0]) - -(-count // 4)
        for seed, own in zip(SEEDS, found, strict=True):
            assert (np.random.Philox(key=key_of(seed, "test"), counter=start).random_raw(count) == own).all()
