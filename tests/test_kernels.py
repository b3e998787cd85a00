"""How stacks are cut, which kernels train them, and what is left of runs that have ended."""

import pytest
import torch
from plain import gaussian, train

from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.trainables import data
from benevolent.trainables.config.model import MODEL_CONFIGS
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack import built_network, kernel_choice
from benevolent.trainables.stack import stack as trainables_stack
from benevolent.trainables.stack.kernel_choice import Pinned, Trial
from benevolent.trainables.stack.kernel_names import KernelChoice
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.stack import Stack
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.store import paths

SMALL_CNN = {"family": "puzzles_cnn", "filters": 3, "kernel": 3}
NESTED_CNN = {"family": "resnet", "depth": 8, "width": 3}  # its convolutions are not children of the module


def stack_of(runs: int, model: dict, shape: tuple[int, ...] = (1, 8, 8)) -> tuple[Stack, data.Inputs, torch.Tensor]:
    configs = [RunConfig.parse({"seed": seed, "model": model}) for seed in range(runs)]
    built = built_network.build(configs[0].model, shape, 10)
    starts = [built.initial(config.init, config.seed) for config in configs]
    values = {name: torch.stack([start[name] for start in starts]).float() for name in starts[0]}
    stack = Stack(built, configs, StackState.begin(built.parameters.rows(values), built.buffers.rows(values)))
    stack.start_phase()
    inputs = data.Inputs(gaussian(1, 40, *shape).float(), torch.zeros(runs, dtype=torch.long), torch.float32)
    return stack, inputs, torch.zeros(runs, 40, dtype=torch.long)


def plan_of(runs: int, model: dict, shape=(1, 8, 8), pinned=None) -> KernelChoice:
    return kernel_choice.choose_kernel(*stack_of(runs, model, shape), 32, pinned)


@pytest.mark.parametrize(
    ("model", "shape", "plan"),
    [
        ({"width": 8}, (1, 8, 8), ("batched", 20)),
        (SMALL_CNN, (1, 8, 8), ("channels_last", 20)),
        (NESTED_CNN, (3, 16, 16), ("channels_last", 20)),
        ({"family": "puzzles_bn"}, (3, 32, 32), ("channels_last", 5)),
        ({"family": "puzzles_cnn"}, (1, 28, 28), ("channels_last", 4)),
        ({"family": "puzzles_cnn", "filters": 32}, (1, 28, 28), ("channels_last", 3)),
        ({"family": "puzzles_cnn", "stride": 2}, (1, 28, 28), ("channels_last", 20)),
        ({"family": "resnet", "depth": 20}, (3, 32, 32), ("channels_last", 1)),
        ({"family": "module", "path": "test_training:Residual", "arguments": {"width": 7}}, (64,), ("vmap", 20)),
        ({"family": "module", "path": "test_training:Branching", "arguments": {"width": 7}}, (64,), ("loop", 20)),
    ],
)
def test_cpu_choice_is_a_rule_of_the_shapes(model, shape, plan):
    assert plan_of(20, model, shape) == KernelChoice(*plan) == plan_of(20, model, shape)


def test_single_module_is_not_trained_by_vmap():
    assert plan_of(1, {"family": "module", "path": "test_models:Norms"}) == KernelChoice("loop", 1)


def test_stacks_larger_than_memory_are_not_tried(monkeypatch):
    stack, inputs, _ = stack_of(20, {"width": 8})
    monkeypatch.setattr(
        kernel_choice,
        "memory_bytes",
        lambda device: 7 * kernel_choice.step_bytes(stack, inputs, 32) / kernel_choice.SHARE,
    )
    assert plan_of(20, {"width": 8}) == KernelChoice("batched", 7)
    monkeypatch.setattr(kernel_choice, "memory_bytes", lambda device: 1.0)
    assert plan_of(20, {"width": 8}).size == 1


def test_trial_memory_is_proportional_to_its_threads():
    assert 2**26 < kernel_choice.memory_bytes(torch.device("cpu")) < 2**50


def test_kernel_and_size_can_be_pinned():
    assert plan_of(20, SMALL_CNN, pinned=Pinned("loop", 3)) == KernelChoice("loop", 3)
    assert plan_of(20, SMALL_CNN, pinned=Pinned("batched")) == KernelChoice("batched", 20)
    assert plan_of(20, SMALL_CNN, pinned=Pinned(size=99)) == KernelChoice("channels_last", 20)
    with pytest.raises(BadInput, match="resources.kernel = 'vmap': this network can be trained by batched, channels"):
        plan_of(20, SMALL_CNN, pinned=Pinned("vmap"))
    assert ResourcesConfig.parse({"kernel": "batched", "stack_size": 4}).stack_size == 4


def test_fastest_supported_candidate_is_chosen(monkeypatch):
    stack, inputs, labels = stack_of(4, SMALL_CNN)
    speeds = {("batched", 4): None, ("loop", 4): 3.0, ("batched", 2): 1.0, ("loop", 2): 2.0}
    trial = Trial(stack, inputs, labels, 32)
    monkeypatch.setattr(trial, "seconds", lambda plan: speeds[plan.kernel, plan.size])
    candidates = [KernelChoice(*candidate) for candidate in speeds]
    assert kernel_choice.fastest(trial, candidates, 10) == KernelChoice("batched", 2)


@pytest.mark.parametrize(
    ("error", "skipped"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (NotImplementedError("not implemented for 'Half'"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("a mistake in the training step"), False),
    ],
)
def test_only_short_memory_and_unsupported_steps_rule_a_kernel_out(monkeypatch, error, skipped):
    def fails(*arguments):
        raise error

    trial = Trial(*stack_of(2, SMALL_CNN), 32)
    monkeypatch.setattr(Stack, "train_epoch", fails)
    if skipped:
        assert trial.seconds(KernelChoice("batched", 2)) is None
    else:
        with pytest.raises(type(error), match=str(error)):
            trial.seconds(KernelChoice("batched", 2))


@pytest.mark.parametrize("broken", ["vmap", "both"])
def test_vmap_is_ruled_out_only_if_the_same_step_succeeds_without_it(monkeypatch, broken):
    train_epoch = Stack.train_epoch

    def fails(stack, batches, kernel):
        if broken == "both" or kernel == "vmap":
            raise RuntimeError(f"{kernel} fails")
        return train_epoch(stack, batches, kernel)

    module = {"family": "module", "path": "test_training:Residual", "arguments": {"width": 7}}
    trial = Trial(*stack_of(3, module, (64,)), 32)
    monkeypatch.setattr(Stack, "train_epoch", fails)
    if broken == "vmap":
        assert trial.seconds(KernelChoice("vmap", 2)) is None and trial.vmap_refused == "vmap fails"
    else:
        with pytest.raises(RuntimeError, match="loop fails"):
            trial.seconds(KernelChoice("vmap", 2))


def test_networks_that_vmap_refuses_are_reported_once(cohort):
    model = {"family": "module", "path": "test_training:Branching", "arguments": {"width": 7}}
    stop = {"train_loss": None, "max_epochs": 1}
    branching = cohort("a", [{"model": model, "stop": stop, "seed": seed} for seed in range(2)])
    (warning,) = branching.start().advance(1e9).warnings
    stored = branching.files.folder.read_json(paths.STACKS)
    assert stored["kernel"] == "loop" and "data-dependent control flow" in stored["vmap_refused"]
    assert warning.startswith("cohort a: its networks train one after another") and stored["vmap_refused"] in warning
    assert not cohort("b", [{"stop": stop}]).start().advance(1e9).warnings


def test_choosing_a_kernel_changes_nothing():
    stack, inputs, labels = stack_of(3, NESTED_CNN, (3, 16, 16))
    before = {name: value.clone() for name, value in stack.state.tensors().items()}
    assert Trial(stack, inputs, labels, 32).seconds(KernelChoice("batched", 3)) is not None
    assert all(torch.equal(value, stack.state.tensors()[name]) for name, value in before.items())


def test_pinned_kernel_is_recorded_and_kept_on_resume(cohort):
    from test_training import CNN, run

    trained = cohort("c", [run(seed, model=CNN) for seed in range(3)])
    training = trained.start()
    assert trained.files.folder.read_json("stacks.json") == {"kernel": "channels_last", "size": 3}
    assert training.choice == KernelChoice("channels_last", 3)


@pytest.mark.parametrize("model", [{"width": 8}, SMALL_CNN, NESTED_CNN])
def test_reduced_precision_products_are_close_and_keep_float32_parameters(model):
    built = built_network.build(MODEL_CONFIGS[model.get("family", "mlp")].parse(model), (1, 8, 8), 10)
    inputs = gaussian(3, 5, 1, 8, 8).float()
    exact = train(built, [0, 1, 2], inputs)
    built.arithmetic = "bf16"
    short = train(built, [0, 1, 2], inputs)
    assert all(value.dtype == torch.float32 for value in short.values())
    assert any(not torch.equal(value, exact[name]) for name, value in short.items())
    for name in built.shapes:
        torch.testing.assert_close(short[name], exact[name], rtol=0.1, atol=0.1)


def test_default_arithmetic_changes_no_run_id():
    assert RunConfig.parse({"optimizer": {"arithmetic": "full"}}).run_id == RunConfig().run_id
    assert RunConfig.parse({"optimizer": {"arithmetic": "bf16"}}).run_id != RunConfig().run_id


# Runs that have ended.


def test_picked_runs_share_no_memory_with_the_stack():
    stack, _, _ = stack_of(8, {"width": 8})
    left = stack.pick(torch.tensor([6]))
    for value in left.state.tensors().values():
        assert value.untyped_storage().nbytes() == value.numel() * value.element_size()
    assert all(part.state.start._base is stack.state.start for part in stack.slices(2))  # these do share it


def test_finished_runs_are_not_computed(cohort, monkeypatch):
    from test_training import SMALL, run

    trained_rows, evaluated_rows = [], []
    train, evaluate = Stack.train, Stack.evaluate

    def counted_training(stack, batches, *rest):
        assert len(stack) == len(batches.inputs) == len(batches.labels) == len(batches.order)
        assert {len(value) for value in stack.state.tensors().values()} == {len(stack)}
        if batches.first_step == 0:
            trained_rows.append(len(stack))
        return train(stack, batches, *rest)

    def counted_evaluation(stack, *rest, **options):
        evaluated_rows.append(len(stack))
        return evaluate(stack, *rest, **options)

    stops = [{"train_loss": None, "max_epochs": epochs} for epochs in (1, 1, 3, 5)]
    started = cohort("c", [run(seed, data=SMALL, stop=stop) for seed, stop in enumerate(stops)]).start()
    monkeypatch.setattr(Stack, "train", counted_training)
    monkeypatch.setattr(Stack, "evaluate", counted_evaluation)
    assert started.advance(1e9).done
    assert trained_rows == [4, 2, 2, 1, 1]
    assert max(evaluated_rows[-3:]) == 1


@pytest.mark.parametrize("model", [{"width": 8}, SMALL_CNN])
@pytest.mark.parametrize("examples", [1, 7, 40, 90])
def test_evaluation_is_limited_by_the_number_of_activations(monkeypatch, model, examples):
    whole, inputs, labels = stack_of(5, model)
    kernel, seen = whole.network.kernels[0], []
    truth = whole.evaluate(inputs, labels, kernel)
    activations = whole.network.activations((1, 8, 8))
    monkeypatch.setattr(trainables_stack, "PAIRED_VALUES", examples * activations)
    logits = Network.logits

    def noted(built, parameters, buffers, inputs, *rest):
        seen.append(inputs.shape[0] * inputs.shape[1])
        return logits(built, parameters, buffers, inputs, *rest)

    monkeypatch.setattr(Network, "logits", noted)
    found = whole.evaluate(inputs, labels, kernel)
    assert max(seen) == (examples if examples < 40 else examples // 40 * 40) and sum(seen) == 5 * 40
    for name, value in found.items():
        torch.testing.assert_close(value, truth[name], rtol=1e-5, atol=1e-6)
    for row in range(5) if "width" in model else ():
        alone = whole.pick(torch.tensor([row])).evaluate(inputs.pick(slice(row, row + 1)), labels[[row]], kernel)
        assert all(torch.equal(alone[name][0], value[row]) for name, value in found.items())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("arithmetic", ["full", "tf32", "bf16"])
@pytest.mark.parametrize("model", [{"width": 16}, SMALL_CNN, NESTED_CNN])
def test_gpu_training_equals_cpu_training(cohort, model, arithmetic):
    from test_training import run

    from benevolent.trainables.training.starting import start_training

    optimizer = {"batch_size": 30, "arithmetic": arithmetic}
    here, there = (cohort(name, [run(seed, model=model, optimizer=optimizer) for seed in range(3)]) for name in "ab")
    here.train()
    assert start_training(there.results, there.name, "cuda:0").advance(1e9).done
    tolerance = {"full": 1e-3, "tf32": 2e-2, "bf16": 1e-1}[arithmetic]
    for run_id, values in here.final().items():
        torch.testing.assert_close(there.final()[run_id], values, rtol=tolerance, atol=tolerance)
