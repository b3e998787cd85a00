"""Layers of one trained network set back, as `layer_robustness` has it of runs; and how far they moved.

Nothing is trained, so no new runs are needed, and controls are possible: a step of the same length in a random
direction, and statistics of BatchNorm that fit the changed layer.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from benevolent.analysis.multi_run.changed_layers import changed_network, errors_of_changes, layers_of_run
from benevolent.analysis.multi_run.examples import EXAMPLES_PER_PASS, load_examples
from benevolent.analysis.multi_run.parameter_path import compute_statistics
from benevolent.analysis.results import Results
from benevolent.trainables import data
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.rng import generator
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.layer_types import is_batch_norm

State = Mapping[str, Tensor]

#: The stream that `reset.to: random` draws new weights from.
DRAWN_ANEW = "init/reset"


@checked_arguments
def reset_errors(results: Results, run_id: str, states: Sequence[str | int]) -> pd.DataFrame:
    """Set each layer of a trained network back, alone and without further training.

    Source: Zhang, Bengio and Singer 2019, "Are all layers created equal?". The same as runs with `reset.layers`, of
    which `layer_robustness.reset_drops` makes this table.

    Args:
        results: with the run, whose checkpoints were kept.
        run_id: of a run without layers reset.
        states: values of `reset.to`: `init`, `random`, or an epoch.

    Returns:
        A row per layer with weights and state: `reset.to` and `reset.layers` as text, `seed`, `error` (fraction of
        wrong test examples), and `drop`, the accuracy lost.

    Raises:
        BadInput: no such run, or no parameters were kept at an epoch.
    """
    layers = layers_of_run(results, run_id)
    keys = []
    changes: list[State] = [{}]
    for state in states:
        tensors = _tensors_at(results, run_id, state)
        for number, names in enumerate(layers, 1):
            keys.append({"reset.to": str(state), "reset.layers": str(number)})
            changes.append({name: tensors[name] for name in names})
    test = load_examples(results, run_id, ["test"])["test"]
    before, *errors = errors_of_changes(results.network(run_id), changes, test)
    table = pd.DataFrame(keys).assign(seed=results.config(run_id).seed, error=errors)
    return table.assign(drop=table["error"] - before)


def _tensors_at(results: Results, run_id: str, state: str | int) -> State:
    """Return the tensors of a run at its start, after an epoch, or newly drawn."""
    config = results.config(run_id)
    if state == "random":
        precision = getattr(torch, config.precision)
        drawn = built_network.for_run(config, data.describe(config.data)).initial(config.init, config.seed, DRAWN_ANEW)
        return {name: value.to(precision) for name, value in drawn.items()}
    epoch = 0 if state == "init" else int(state)
    return results.network(run_id, step=epoch * config.steps_per_epoch).state_dict()


@checked_arguments
def layer_moves(results: Results, run_id: str) -> pd.DataFrame:
    """Move each layer of a trained network back to its start, and as far in a random direction.

    Source: the distances are those of Zhang, Bengio and Singer 2019; the random steps are a control of ours.
    A random step changes each tensor of a layer by normal numbers, drawn from the run's seed and scaled to the norm of
    its change in training.

    Args:
        results: with the run, whose parameters at the start of its last phase were kept.
        run_id: of a run without layers reset.

    Returns:
        A row per layer with weights: `layer`, from 1, and `seed`; of its weight W, trained from W0, `distance`
        ||W - W0||, `relative_distance` ||W - W0|| / ||W0|| and `largest_change` max |W - W0|; fractions of wrong test
        examples `error` (of the trained network), `reset_error` (the layer as at its start), `random_error` (after the
        random step); and `fitted_reset_error`, with the layer as at its start and statistics of BatchNorm computed anew
        from training inputs, NaN without BatchNorm.

    Raises:
        BadInput: no such run, or no parameters were kept at its start.
    """
    trained = results.network(run_id)
    state = trained.state_dict()
    start = results.network(run_id, step=0).state_dict()
    layers = layers_of_run(results, run_id)
    examples = load_examples(results, run_id, ["train", "test"])
    resets = [{name: start[name] for name in names} for names in layers]
    seed = results.config(run_id).seed
    randoms = [_random_step(state, reset, seed, number) for number, reset in enumerate(resets)]
    error, *errors = errors_of_changes(trained, [{}, *resets, *randoms], examples["test"])
    table = pd.DataFrame([_distances(state[names[0]], start[names[0]]) for names in layers])
    table.insert(0, "layer", range(1, len(layers) + 1))
    table["seed"] = seed
    table["error"] = error
    table["reset_error"] = errors[: len(layers)]
    table["random_error"] = errors[len(layers) :]
    table["fitted_reset_error"] = float("nan")
    if any(is_batch_norm(part) for part in trained.modules()):
        inputs = examples["train"][0][:EXAMPLES_PER_PASS]
        changes = [_with_new_statistics(trained, reset, inputs) for reset in resets]
        table["fitted_reset_error"] = errors_of_changes(trained, changes, examples["test"])
    return table


def _distances(weight: Tensor, start: Tensor) -> dict[str, float]:
    """Return how far a weight moved."""
    change = weight - start
    relative = change.norm() / start.norm()
    return {
        "distance": change.norm().item(),
        "relative_distance": relative.item(),
        "largest_change": change.abs().max().item(),
    }


def _random_step(state: State, start: State, seed: int, step: int) -> State:
    """Return the tensors of a layer, each moved in a random direction by its distance from the start."""
    rng = generator(seed, "multi_run/layer moves", step)
    moved = {}
    for name, before in start.items():
        direction = torch.from_numpy(rng.standard_normal(tuple(before.shape))).to(before)
        length = (state[name] - before).norm()
        moved[name] = state[name] + length * direction / direction.norm()
    return moved


def _with_new_statistics(module: nn.Module, change: State, inputs: Tensor) -> State:
    """Return a change with the statistics that BatchNorm then has on some inputs."""
    changed = changed_network(module, change)
    compute_statistics(changed, inputs)
    buffers = {name: value for name, value in changed.named_buffers() if value.is_floating_point()}
    return {**change, **buffers}
