"""The rule of every study is fixed: its words and numbers have a literal hash here, and its sweeps obey it.

The hash is of the rule on one line: line breaks and paragraphs change nothing.
"""

import hashlib

import pytest

from benevolent.orchestrator.study import studies

#: A rule that changes its meaning needs a note on the study's page, and fresh seeds for its next verdict.
RULES = {
    "batchnorm-landscape": "8a2426ff96558a12",
    "bth-architecture": "76a59e356cbc23ee",
    "bth-corruption": "ac39b9c4a4663404",
    "bth-dropout": "023a03a6deb2ca00",
    "bth-frequency": "7a5510c8ab10fac3",
    "bth-predict": "28ec982530f4f1af",
    "bth-steadiness": "3a01dda3a9f334a2",
    "capacity": "e74895ea22ad7809",
    "decision-boundary": "c5f8fcffc8b30ee6",
    "description-length": "066c08e6fab4497b",
    "double-descent": "d78638a381eeba23",
    "increasing-complexity": "b5940a9382a386f4",
    "intrinsic-dimension": "71035a0cb51b3cef",
    "layers-equal": "46e3bc83448e876c",
    "linear-first": "5597d81e27ef6928",
    "long-tail": "dd2459555c7bb0f8",
    "lottery-ticket": "2733d064b965ecbf",
    "map-of-measures": "12902bffa2ba6cf8",
    "margins": "d030f38276d4fec1",
    "memorization": "a9cd4c5db9729d2e",
    "more-parameters": "7554eb3e26b501d4",
    "n-to-infinity": "b5367c01b9541ea0",
    "norm-choice": "ef5813eb924f5077",
    "normalized-loss-init": "6a2346b498032b4f",
    "normalized-loss-pretrain": "5c11743e76e41c26",
    "overfit-harmless": "863e0695bbb77913",
    "overparametrized-descent": "9507576e4675d584",
    "random-labels": "545f6a30053ee790",
    "resnet-normalized": "4a3c20e00fc4e236",
    "sublevel-connected": "9b99aaab9ada2ac6",
    "xor": "3cf79a49fa2e11e4",
}


@pytest.mark.parametrize("name", studies())
def test_the_text_of_a_rule_is_pinned(name):
    study = studies()[name]
    digest = hashlib.sha256(study.rule.encode()).hexdigest()[:16]
    assert digest == RULES[name]
    assert study.rule == " ".join(study.module.RULE.split())
    assert len(study.rule_paragraphs) > 1


@pytest.mark.parametrize("name", ["capacity", "normalized-loss-pretrain"])
@pytest.mark.parametrize("scale", ["small", "paper"])
def test_networks_are_kept_at_the_train_loss_that_the_rule_names(name, scale):
    study = studies()[name]
    low, high = study.module.WINDOW
    assert low < study.module.SNAPSHOT_LOSS < high
    for spec in study.specs(scale).values():
        assert spec.base["stop"]["snapshot_loss"] == study.module.SNAPSHOT_LOSS
