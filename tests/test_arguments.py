"""Public functions: arguments of a wrong kind are refused with one line, before anything is computed."""

import inspect

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from benevolent import judge, load_results, measure_network, transport, watch
from benevolent.trainables.arguments import check_argument
from benevolent.trainables.errors import BadInput

INPUTS = torch.eye(3)
LABELS = torch.tensor([0, 1, 0])
#: Something that no argument takes, of every kind that has tripped a function.
OF_NO_USE = [object(), b"x", 1 + 1j, {"a": [1]}, [["a"]], np.array("a"), np.ones((2, 2)), torch.ones(2, 2), set]


def table(first_seed: int = 0) -> pd.DataFrame:
    runs = pd.DataFrame([(lr, width) for lr in range(3) for width in range(2)] * 4, columns=["lr", "width"])
    rng = np.random.default_rng(first_seed)
    runs["norm"] = rng.normal(size=len(runs))
    return runs.assign(test_loss=runs["norm"] + runs["lr"], seed=range(first_seed, first_seed + len(runs)))


def given(function) -> dict:
    """Return arguments that a function takes."""
    module = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    arguments = {
        measure_network: {"module": module, "inputs": INPUTS, "labels": LABELS, "measures": ["parameter_norm"]},
        watch: {"module": module, "optimizer": optimizer, "steps_per_epoch": 1, "save_to": "none", "seed": 0},
        judge: {"table": table(), "target": "test_loss", "axes": ["lr"], "permutations": 0, "resamples": 10},
        transport: {"first": table(), "second": table(100), "target": "test_loss", "axes": ["lr"], "resamples": 10},
        load_results: {"where": "none"},
    }
    return arguments[function]


def cases():
    for function in (measure_network, watch, judge, transport, load_results):
        for name in inspect.signature(function).parameters:
            yield pytest.param(function, name, id=f"{function.__name__}-{name}")


@pytest.mark.parametrize(("function", "name"), list(cases()))
def test_what_no_argument_takes_is_refused_in_one_line(function, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = given(function)
    for value in OF_NO_USE:
        is_fine = name == "progress" and callable(value)
        if is_fine or (name == "inputs" and isinstance(value, np.ndarray | torch.Tensor)):
            continue
        with pytest.raises(BadInput) as refused:
            function(**{**arguments, name: value})
        line = str(refused.value)
        assert "\n" not in line and len(line) < 300, line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("function", "options", "line"),
    [
        (measure_network, {"seconds": "3"}, "seconds: '3'; expected a number or None"),
        (measure_network, {"seconds": True}, "seconds: True; expected a number or None"),
        (measure_network, {"labels": ["cat", "dog", "cat"]}, "labels: list; expected a tensor"),
        (measure_network, {"labels": {"a": 1}}, "labels: dict; expected a tensor"),
        (measure_network, {"labels": LABELS + 0j}, "labels: complex numbers; expected a tensor"),
        (measure_network, {"inputs": 1.0}, "inputs: of shape (); expected one or more of them, (N, *input_shape)"),
        (measure_network, {"inputs": INPUTS[:0]}, "inputs: of shape (0, 3); expected one or more of them"),
        (measure_network, {"validation": (INPUTS[:, :2], LABELS)}, "validation: Linear: fails on inputs (2, 2)"),
        (measure_network, {"validation": (INPUTS,)}, "validation: tuple; expected a pair of values or None"),
        (measure_network, {"true_labels": ["a"]}, "true_labels: labels: list"),
        (measure_network, {"masks": {"weight": 1}}, "masks: {'weight': 1}; expected a mapping from texts to Tensors"),
        (watch, {"scaler": 2.0}, "scaler: 2.0; expected a GradScaler or None"),
        (watch, {"config": [1]}, "config: [1]; expected a mapping from texts to values or None"),
        (watch, {"optimizer": None}, "optimizer: None; expected an Optimizer"),
        (judge, {"level": "0.05"}, "level: '0.05'; expected a number"),
        (judge, {"axes": "lr"}, "axes: 'lr'; expected a list of texts or integers"),
        (judge, {"random_seed": -1}, "random_seed = -1: expected an integer from 0 to 4294967295"),
        (judge, {"test_size": 0}, "test_size = 0: expected a positive number of examples"),
        (judge, {"match": {"norm": (1,)}}, "match: {'norm': (1,)}; expected a mapping from texts or integers to"),
        (transport, {"level": 5}, "level = 5: expected a number between 0 and 1"),
        (transport, {"axes": ["depth"]}, "axis 'depth' is not a column of the table"),
        (transport, {"rival": "best"}, "rival 'best' is not a column of the table"),
        (load_results, {"where": []}, "where: names no folder; expected one or several"),
        (load_results, {"trust": "no"}, "trust: 'no'; expected True or False"),
        (load_results, {"measures": "path_norm"}, "measures: 'path_norm'; expected a list of texts or None"),
    ],
)
def test_lines_say_what_is_allowed(function, options, line):
    with pytest.raises(BadInput) as refused:
        function(**{**given(function), **options})
    assert str(refused.value).startswith(line)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (np.int64(3), int),
        (3, float),
        (np.float32(0.5), float),
        (np.bool_(True), bool),
        (np.array(["a"]), list[str]),
        (pd.Index(["a"]), list[str]),
        ({"a"}, list[str]),
        ([1, 2], tuple[float, float]),
    ],
)
def test_what_means_the_same_is_taken(value, annotation):
    check_argument("value", value, annotation)
