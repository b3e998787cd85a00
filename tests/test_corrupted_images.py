"""Corrupted test images, and the errors on them, from the data to the plan."""

import copy
import math
import sys

import numpy as np
import pytest
import torch

from benevolent.analysis.judging.predictors import default_predictors, recorded_predictors
from benevolent.analysis.measures.missing_measures import ExistingMeasures
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.analysis.results import load_results
from benevolent.orchestrator.cli import main
from benevolent.trainables import data
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.data import corrupted_images, loading
from benevolent.trainables.data.corrupted_images import blurred, corrupted_test, with_contrast, with_noise
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import RandomStream
from benevolent.trainables.stack import built_network
from benevolent.trainables.store.folder import Folder

SMALL = {"train_size": 200, "validation_size": 0, "test_size": 300}


def pixels(config: DataConfig, name: str | None = None) -> np.ndarray:
    """The test images from 0 to 1, as they are or corrupted."""
    dataset = data.load(config)
    if name is not None:
        dataset = corrupted_test(dataset, config, name)
    assert dataset.scale is not None
    return dataset.scale.pixels(dataset.test.inputs).numpy()


def rng() -> RandomStream:
    return RandomStream(0, "test")


def test_noise_has_the_deviation_of_its_severity():
    gray = np.full((40, 1, 20, 20), 0.5, dtype=np.float32)
    for deviation in (0.04, 0.1):
        changed = with_noise(gray, deviation, rng())
        assert changed.std() == pytest.approx(deviation, rel=0.02) and changed.mean() == pytest.approx(0.5, abs=0.002)


def test_blur_is_a_normal_density_with_continued_edges():
    image = RandomStream(0, "images").random((1, 2, 6, 5))
    sigma = 0.8
    reach = range(-3, 4)
    weights = {(a, b): math.exp(-(a**2 + b**2) / (2 * sigma**2)) for a in reach for b in reach}
    expected = np.zeros_like(image)
    for y, x in np.ndindex(6, 5):
        for (a, b), weight in weights.items():
            row, column = min(max(y + a, 0), 5), min(max(x + b, 0), 4)
            expected[..., y, x] += weight / sum(weights.values()) * image[..., row, column]
    np.testing.assert_allclose(blurred(image, sigma, rng()), expected, rtol=1e-6)


def test_contrast_shrinks_distances_from_the_mean_of_each_image_and_channel():
    images = RandomStream(0, "images").random((3, 2, 4, 4))
    changed = with_contrast(images, 0.3, rng())
    np.testing.assert_allclose(changed.mean((2, 3)), images.mean((2, 3)))
    np.testing.assert_allclose(changed.std((2, 3)), 0.3 * images.std((2, 3)))


@pytest.mark.parametrize("normalize", ["split", "half", "none"])
def test_images_are_corrupted_between_black_and_white_whatever_they_are_normalized_by(normalize):
    config = DataConfig(**SMALL, normalize=normalize)
    plain = pixels(config)
    assert plain.min() == pytest.approx(0, abs=1e-6) and plain.max() == pytest.approx(1, abs=1e-6)
    for name in ("test_noise_5", "test_blur_5", "test_contrast_5"):
        changed = pixels(config, name)
        assert changed.min() > -1e-6 and changed.max() < 1 + 1e-6 and changed.shape == plain.shape
        np.testing.assert_allclose(changed, pixels(DataConfig(**SMALL), name), atol=1.01 / 255)
    nearly = with_contrast(plain.astype(np.float32), 0.15, rng())
    np.testing.assert_allclose(pixels(config, "test_contrast_5"), nearly, atol=0.5 / 255 + 1e-5)  # rounded to bytes


def test_the_data_split_decides_the_noise_and_nothing_else_does():
    config = DataConfig(**SMALL)
    first = pixels(config, "test_noise_3")
    smaller = config.model_copy(update={"train_size": 100})
    np.testing.assert_allclose(pixels(smaller, "test_noise_3"), first, atol=1e-6)
    other = config.model_copy(update={"split_seed": 1})
    noise = first - pixels(config)
    other_noise = pixels(other, "test_noise_3") - pixels(other)
    inside = (np.abs(noise) > 0.01) & (np.abs(other_noise) > 0.01)
    assert abs(np.corrcoef(noise[inside], other_noise[inside])[0, 1]) < 0.1


def test_images_that_are_stored_as_bytes_are_corrupted_alike(monkeypatch):
    config = DataConfig(name="mnist", train_size=100, validation_size=0, test_size=40)
    if not data.is_present("mnist"):
        pytest.skip("MNIST is not here")
    as_floats = pixels(config, "test_contrast_2")
    loading._load.cache_clear()
    monkeypatch.setattr(loading, "FLOAT_BYTES", 0)
    monkeypatch.setattr(corrupted_images, "BLOCK", 7)
    np.testing.assert_allclose(pixels(config, "test_contrast_2"), as_floats, atol=1.01 / 255)
    loading._load.cache_clear()


@pytest.mark.parametrize("pixels_moved", ["none", "permuted"])
def test_errors_are_those_of_the_final_networks_on_corrupted_images(cohort, tmp_path, pixels_moved):
    names = ["test_error_noise_5", "test_error_blur_5", "test_error_contrast_5"]
    base = {"model": {"family": "mlp", "width": 16, "depth": 2}, "stop": {"train_loss": None, "max_epochs": 8}}
    configs = [base | {"data": SMALL | {"pixels": pixels_moved}, "seed": seed} for seed in range(2)]
    trained = cohort("c", configs).train()
    results: Folder = trained.results
    for file in trained.files.parameter_files():
        job = ExistingMeasures(results).missing("c", file, names)
        if job is not None and "final" in file:
            measure_file(results, job)
    table = load_results(results).table(parents=True).set_index("run_id")
    for config in trained.configs:
        for name in names:
            split = name.replace("error_", "")
            corrupted = corrupted_test(data.load(config.data), config.data, split)
            inputs = data.inputs_of(corrupted, [config], "test").rows()[0]
            module = copy.deepcopy(built_network.for_run(config, corrupted).module)
            module.load_state_dict(trained.final()[config.run_id])
            wrong = module(inputs).argmax(1) != corrupted.test.labels
            assert table.loc[config.run_id, name] == pytest.approx(wrong.double().mean().item())
    assert (table["test_error_blur_5"] > table["test_error"]).all()
    assert not {*names} & {*recorded_predictors(table), *default_predictors(table, "test_loss", [])}


def test_only_images_can_be_corrupted():
    config = DataConfig(name="staircase", train_size=20, validation_size=0, test_size=20)
    with pytest.raises(BadInput, match="only images"):
        corrupted_test(data.load(config), config, "test_blur_1")


def test_a_sweep_on_other_inputs_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    spec = tmp_path / "sweep.yaml"
    spec.write_text(
        "name: s\nbase: {data: {name: staircase}, loss: {name: logistic}}\n"
        "record: {measures: [default, test_error_blur_2]}\n"
    )
    monkeypatch.setattr(sys, "argv", ["bth", "plan", str(spec)])
    with pytest.raises(SystemExit, match="2"):
        main.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert "'test_error_blur_2' corrupts images; the inputs of staircase are not images" in line


def test_corruptions_have_the_mildest_first():
    dataset = data.load(DataConfig(**SMALL))
    plain = dataset.test.inputs
    for kind, corruption in corrupted_images.TEST_CORRUPTIONS.items():
        distances = []
        for severity in range(1, 1 + len(corruption.constants)):
            changed = corrupted_test(dataset, DataConfig(**SMALL), f"test_{kind}_{severity}").test.inputs
            distances.append(torch.dist(changed, plain).item())
        assert len(distances) == 5 and distances == sorted(distances)
