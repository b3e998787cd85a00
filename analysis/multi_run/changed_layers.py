"""Errors of a trained network with the tensors of some layer replaced, for many replacements at once."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from benevolent.analysis.multi_run.examples import EXAMPLES_PER_PASS, Examples
from benevolent.analysis.results import Results
from benevolent.trainables import data
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.layer_types import is_sequence
from benevolent.trainables.stack.scores import mistakes

#: New tensors by the names that a network's `state_dict` gives them.
Change = Mapping[str, Tensor]


def layers_of_run(results: Results, run_id: str) -> list[list[str]]:
    """Return the names of the tensors of each layer with weights of a run's network, its weight first."""
    config = results.config(run_id)
    return built_network.for_run(config, data.describe(config.data)).layers


@torch.no_grad()
def changed_network(module: nn.Module, change: Change) -> nn.Module:
    """Return a copy of a network, in eval mode, with some of its tensors replaced.

    >>> layer = nn.Linear(1, 1)
    >>> changed_network(layer, {"bias": torch.tensor([7.0])}).bias.tolist()
    [7.0]
    """
    changed = copy.deepcopy(module).eval()
    own = changed.state_dict()  # a tensor that layers share has several names here
    for name, value in change.items():
        own[name].copy_(value)
    return changed


@torch.no_grad()
def errors_of_changes(module: nn.Module, changes: Sequence[Change], examples: Examples) -> list[float]:
    """Return the fraction of wrong examples after each of several changes of a network, each made alone.

    In a sequence of layers, what comes before the first changed one is computed only once for all changes.

    Args:
        module: of any architecture; not changed.
        changes: the tensors that are replaced; none for the network as it is.
        examples: inputs `(N, *input_shape)` and labels `(N,)`.

    >>> layer = nn.Linear(1, 2)
    >>> right = {"weight": torch.zeros(2, 1), "bias": torch.tensor([0.0, 1.0])}
    >>> errors_of_changes(layer, [right], (torch.zeros(4, 1), torch.tensor([1, 1, 1, 0])))
    [0.25]
    """
    inputs, labels = examples
    plain = changed_network(module, {})
    wrong = torch.zeros(len(changes), dtype=torch.float64)
    for rows, targets in zip(inputs.split(EXAMPLES_PER_PASS), labels.split(EXAMPLES_PER_PASS), strict=True):
        inputs_by_child = _inputs_of_children(plain, rows)
        for place, change in enumerate(changes):
            logits = _outputs_of_change(plain, change, inputs_by_child)
            wrong[place] += mistakes(logits, targets).double().sum()
    return (wrong / len(labels)).tolist()


def _inputs_of_children(module: nn.Module, rows: Tensor) -> list[Tensor]:
    """Return the inputs of each child of a sequence of layers, or those of the whole module."""
    if not is_sequence(module):
        return [rows]
    inputs = [rows]
    for child in list(module)[:-1]:
        inputs.append(child(inputs[-1]))
    return inputs


def _outputs_of_change(module: nn.Module, change: Change, inputs_by_child: Sequence[Tensor]) -> Tensor:
    changed = changed_network(module, change)
    if not is_sequence(changed) or not change:
        return changed(inputs_by_child[0])
    names = list(changed._modules)
    first = min(names.index(name.partition(".")[0]) for name in change)
    outputs = inputs_by_child[first]
    for child in list(changed)[first:]:
        outputs = child(outputs)
    return outputs
