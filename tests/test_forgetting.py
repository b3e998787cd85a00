"""When examples are learned and forgotten: from a trained cohort against networks that are loaded one by one."""

import math

import pandas as pd
import pytest
import torch

from benevolent.analysis import load_results
from benevolent.analysis.multi_run import forgetting_table, summarize_forgetting
from benevolent.trainables import data
from benevolent.trainables.data import corrupt
from benevolent.trainables.errors import BadInput

SMALL = {"train_size": 60, "validation_size": 0, "test_size": 20}
KEPT = {"epochs": list(range(30)), "measure_at": "checkpoints"}


def run(seed: int, **sections) -> dict:
    """At a learning rate at which examples are forgotten now and then."""
    base = {
        "data": SMALL,
        "model": {"width": 8, "depth": 2},
        "optimizer": {"batch_size": 10, "lr": 0.4},
        "stop": {"train_loss": None, "max_epochs": 6},
    }
    return base | {"seed": seed} | sections


def naive(results, config, steps: list[int]) -> pd.DataFrame:
    """By loops, from the modules that users load."""
    dataset = data.load(config.data)
    phase = config.phases[-1]
    clean = dataset.train.labels
    labels = corrupt(clean, 10, phase.label_corruption, phase.corruption, config.seed, "train").tolist()
    answers = [results.network(config.run_id, step)(dataset.train.inputs).argmax(1).tolist() for step in steps]
    rows = []
    for place, label in enumerate(labels):
        right = [one[place] == label for one in answers]
        changes = list(zip([False, *right], right, strict=False))
        first = next((steps[i] / 6 for i, one in enumerate(right) if one), math.nan)
        rows.append(
            {
                "run_id": config.run_id,
                "example": place,
                "label": label,
                "corrupted": label != clean[place].item(),
                "first_learned": first,
                "learned": changes.count((False, True)),
                "forgotten": changes.count((True, False)),
                "right_at_end": right[-1],
            }
        )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("pretrain", [0, 1])
def test_forgetting_equals_a_naive_version(cohort, tmp_path, pretrain):
    before, corrupted = {"epochs": pretrain, "label_corruption": 1.0}, SMALL | {"label_corruption": 0.5}
    configs = [run(seed, data=some, pretrain=before) for seed, some in ((0, SMALL), (1, SMALL), (2, corrupted))]
    made = cohort("c", configs, record=KEPT).train()
    results = load_results(tmp_path)
    found = forgetting_table(results, made.run_ids[::-1])
    truth = pd.concat([naive(results, one, [*range(6, 37, 6)]) for one in made.configs[::-1]], ignore_index=True)
    pd.testing.assert_frame_equal(found, truth)
    assert (found["forgotten"] > 0).any() and (found["forgotten"] == 0).any() and found["corrupted"].any()
    assert (found["learned"] - found["forgotten"] == found["right_at_end"]).all()
    errors = results.runs.set_index("run_id")["train_error"]
    assert (1 - found.groupby("run_id")["right_at_end"].mean()).to_dict() == pytest.approx(errors.to_dict())


def test_summary_of_groups(cohort, tmp_path):
    half = SMALL | {"label_corruption": 0.5}
    made = cohort("c", [run(seed, data=half) for seed in range(8)], record=KEPT).train()
    examples = forgetting_table(load_results(tmp_path), made.run_ids)
    table = summarize_forgetting(examples, ["corrupted"])
    for corrupted, row in table.iterrows():
        own = examples[examples["corrupted"] == corrupted]
        ever = own["first_learned"].notna()
        assert row["examples"] == len(own) and row["never_learned"] == pytest.approx((~ever).mean())
        assert row["unforgettable"] == pytest.approx((own.loc[ever, "forgotten"] == 0).sum() / len(own))
        assert row["first_learned"] == own["first_learned"].median()
    assert table.loc[True, "first_learned"] >= table.loc[False, "first_learned"]
    assert summarize_forgetting(examples)["examples"].to_dict() == dict.fromkeys(made.run_ids, 60)


def test_run_with_a_snapshot_is_followed_to_its_end(cohort, tmp_path):
    stop = {"train_loss": None, "max_epochs": 6, "snapshot_loss": 1.5}
    made = cohort("c", [run(0, stop=stop)], record=KEPT).train()
    results = load_results(tmp_path)
    end = int(results.runs["step"].item())
    assert 6 < end < 36
    found = forgetting_table(results, made.run_ids)
    pd.testing.assert_frame_equal(found, naive(results, made.configs[0], [*range(6, end + 1, 6)]))


REAL = {"name": "frequency", "train_size": 20, "validation_size": 0, "test_size": 5}


@pytest.mark.parametrize(
    ("sections", "record", "message"),
    [
        (
            {},
            {"epochs": [0]},
            "1 checkpoints after .* needs record.measure_at: checkpoints",
        ),
        ({"data": REAL, "loss": {"name": "squared"}}, KEPT, "data.name = .frequency. are real numbers"),
        ({"data": SMALL | {"name": "staircase", "fresh": True}}, KEPT, "no example comes twice"),
    ],
)
def test_unsuitable_runs_are_refused(cohort, tmp_path, sections, record, message):
    made = cohort("c", [run(0, **sections)], record=record).train()
    with pytest.raises(BadInput, match=message):
        forgetting_table(load_results(tmp_path), made.run_ids)
    with pytest.raises(BadInput, match="no such run"):
        forgetting_table(load_results(tmp_path), ["nobody"])
    assert torch.is_grad_enabled()
