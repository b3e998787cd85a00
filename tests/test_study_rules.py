"""The rule of every study is fixed: its text, numbers included, has a literal hash here, and its sweeps obey it."""

import hashlib

import pytest

from benevolent.orchestrator.study import studies

#: A rule that changes its meaning needs a note on the study's page, and fresh seeds for its next verdict.
RULES = {
    "bth-architecture": "66cd100ed3ef6aea",
    "bth-corruption": "1f159b7c59b16510",
    "bth-dropout": "5dda8f9329aa945c",
    "bth-frequency": "8c8c3edf9e070ed1",
    "bth-predict": "c7a82fd6e1e61f5f",
    "bth-steadiness": "1ef924d37b9182a5",
    "capacity": "e74895ea22ad7809",
    "decision-boundary": "c5f8fcffc8b30ee6",
    "increasing-complexity": "000f1d7167626735",
    "linear-first": "a06772f3b65c0634",
    "long-tail": "afee06a4ffb6aea2",
    "map-of-measures": "1ac28ef2a7ce9a28",
    "margins": "d030f38276d4fec1",
    "memorization": "02a4387c1d871ef5",
    "more-parameters": "7554eb3e26b501d4",
    "n-to-infinity": "b60b14f236e726ff",
    "norm-choice": "690cda00b1cbb72f",
    "normalized-loss-init": "f66945974716194f",
    "normalized-loss-pretrain": "5c11743e76e41c26",
    "overfit-harmless": "863e0695bbb77913",
    "resnet-normalized": "4a3c20e00fc4e236",
}


@pytest.mark.parametrize("name", studies())
def test_the_text_of_a_rule_is_pinned(name):
    digest = hashlib.sha256(studies()[name].rule.encode()).hexdigest()[:16]
    assert digest == RULES[name]


@pytest.mark.parametrize("name", ["capacity", "normalized-loss-pretrain"])
@pytest.mark.parametrize("scale", ["small", "paper"])
def test_networks_are_kept_at_the_train_loss_that_the_rule_names(name, scale):
    study = studies()[name]
    low, high = study.module.WINDOW
    assert low < study.module.SNAPSHOT_LOSS < high
    for spec in study.specs(scale).values():
        assert spec.base["stop"]["snapshot_loss"] == study.module.SNAPSHOT_LOSS
