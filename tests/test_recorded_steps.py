"""Steps that are recorded once and replayed give what eager steps give.

Without a GPU a stand-in for CUDA graphs runs the same program on the same tensors; the test marked `gpu` records it.
"""

import pytest
import torch
from test_kernels import stack_of
from test_training import SMALL, run

from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack import program_choice, recorded_step
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.kernel_names import KernelChoice
from benevolent.trainables.stack.program_choice import COMPILED_STEPS, choose_program, possible_programs
from benevolent.trainables.stack.programs import Programs
from benevolent.trainables.stack.recorded_step import RecordedStep
from benevolent.trainables.training.starting import start_training

CNN = {"family": "puzzles_cnn", "filters": 3, "kernel": 3}
NOISY = {"width": 6, "batch_norm": "noisy"}
CASES = {
    "sgd": {},
    "momentum and clipping": {"optimizer": {"batch_size": 30, "momentum": 0.9, "weight_decay": 1e-3, "clip": 1.0}},
    "adam": {"optimizer": {"name": "adam", "lr": 0.01, "batch_size": 30}},
    "dropout": {"model": {"width": 6, "dropout": 0.3}},
    "noise": {"model": NOISY},
    "augmentation": {"model": CNN, "data": SMALL | {"augment": "shift_flip"}},
}


def trained(cohort, name: str, sections: dict, program: str, kernel: str = "batched", device: str = "cpu"):
    """Five runs in stacks of three and two, which leave at different epochs."""
    stops = [{"train_loss": None, "max_epochs": epochs} for epochs in (1, 3, 2, 2, 3)]
    configs = [run(seed, stop=stop, **sections) for seed, stop in enumerate(stops)]
    made = cohort(name, configs)
    made.files.folder.write_json("stacks.json", {"kernel": kernel, "size": 3, "program": program})
    assert start_training(made.results, made.name, device).advance(1e9).done
    return made


@pytest.mark.parametrize("case", CASES)
def test_recorded_steps_are_eager_steps(cohort, case):
    eager = trained(cohort, "a", CASES[case], "eager")
    recorded = trained(cohort, "b", CASES[case], "recorded")
    exact = "model" not in CASES[case] or CASES[case]["model"] != CNN  # convolutions depend on the stack's last digits
    for run_id, values in eager.final().items():
        for name, value in values.items():
            found = recorded.final()[run_id][name]
            if exact:
                assert torch.equal(found, value), name
            else:
                torch.testing.assert_close(found, value, rtol=1e-4, atol=1e-5)
    for table in ("dynamics", "outcomes"):
        left, right = recorded.table(table), eager.table(table)
        assert left.drop(columns="value").equals(right.drop(columns="value"))
        assert left.value.to_numpy() == pytest.approx(right.value.to_numpy(), rel=0 if exact else 1e-3, nan_ok=True)


def test_recorded_steps_go_on_from_a_saved_state_within_an_epoch(cohort):
    whole = trained(cohort, "a", {"optimizer": {"name": "adam", "lr": 0.01, "batch_size": 30}}, "eager")
    parted = cohort("b", [config.model_dump(mode="json") for config in whole.configs])
    parted.files.folder.write_json("stacks.json", {"kernel": "batched", "size": 3, "program": "recorded"})
    for _ in range(3):
        training = parted.start(save_every_seconds=0)
        for _ in range(2):
            training.advance(0)
    assert training.running.batches is not None  # some steps of an epoch are made
    assert parted.start().advance(1e9).done
    for run_id, values in whole.final().items():
        assert all(torch.equal(parted.final()[run_id][name], value) for name, value in values.items())
    left, right = parted.table("dynamics"), whole.table("dynamics")
    assert left.value.to_numpy() == pytest.approx(right.value.to_numpy(), rel=0, nan_ok=True)


def test_pruned_weights_stay_zero_in_recorded_steps():
    parameters = []
    for program in ("eager", "recorded"):
        stack, inputs, labels = stack_of(3, {"width": 8})
        stack.state.mask = torch.ones_like(stack.state.parameters)
        stack.state.mask[:, ::3] = 0
        stack.start_phase()
        order = torch.arange(40).expand(3, -1)
        batches = Batches(inputs, labels, order, batch_size=7, epoch=0)
        statistics = stack.statistics(batches.sizes)
        draws = StackGenerator([0, 1, 2], "layers", 0)
        Programs().train(stack, batches, "batched", program, statistics, draws)
        parameters.append(stack.state.parameters)
    assert torch.equal(*parameters)
    assert not parameters[1][:, ::3].any() and parameters[1].any()


def test_stacks_of_a_cohort_need_not_use_the_same_parts_of_the_optimizer(cohort):
    parts = [{}, {}, {"momentum": 0.9, "clip": 0.1}, {"weight_decay": 0.1}]
    made = []
    for name, program in (("a", "eager"), ("b", "recorded")):
        configs = [run(seed, optimizer={"batch_size": 30, **part}) for seed, part in enumerate(parts)]
        made.append(cohort(name, configs))
        choice = {"kernel": "batched", "size": 2, "program": program}  # runs without any train in the first stack
        made[-1].files.folder.write_json("stacks.json", choice)
        made[-1].train()
    eager, recorded = (each.final() for each in made)
    for run_id, values in eager.items():
        assert all(torch.equal(recorded[run_id][name], value) for name, value in values.items())


def test_steps_are_recorded_anew_when_more_than_half_of_a_stack_has_left(cohort, monkeypatch):
    capacities = []
    begin = RecordedStep.__init__

    def noted(step, stack, *rest):
        capacities.append(len(stack))
        begin(step, stack, *rest)

    monkeypatch.setattr(RecordedStep, "__init__", noted)
    stops = [{"train_loss": None, "max_epochs": epochs} for epochs in (1, 2, 3, 3, 4, 5)]
    made = cohort("a", [run(seed, stop=stop) for seed, stop in enumerate(stops)])
    made.files.folder.write_json("stacks.json", {"kernel": "batched", "size": 6, "program": "recorded"})
    made.train()
    assert capacities == [6, 2, 1]  # for stacks of 6, 5, 4; of 2; of 1


@pytest.mark.slow
def test_logits_of_a_compiled_step_are_those_of_the_network(cohort, monkeypatch):
    monkeypatch.setattr(recorded_step, "BACKEND", "aot_eager")  # the compiler without generated code, which takes long
    eager = trained(cohort, "a", {}, "eager")
    compiled = trained(cohort, "b", {}, "compiled")
    for run_id, values in eager.final().items():
        for name, value in values.items():
            torch.testing.assert_close(compiled.final()[run_id][name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("program", ["recorded", "compiled"])
def test_cuda_graphs_give_what_eager_steps_give(cohort, case, program):
    eager = trained(cohort, "a", CASES[case], "eager", device="cuda:0")
    other = trained(cohort, "b", CASES[case], program, device="cuda:0")
    for run_id, values in eager.final().items():
        for name, value in values.items():
            torch.testing.assert_close(other.final()[run_id][name], value, rtol=1e-3, atol=1e-4)


def test_only_steps_that_repeat_are_recorded_and_only_long_training_is_compiled():
    def programs(sections: dict, steps: int, kernel: str = "batched") -> list[str]:
        stack, _, _ = stack_of(2, sections.get("model", {"width": 8}))
        stack.configs = [RunConfig.parse(sections)] * 2
        return possible_programs(stack, KernelChoice(kernel, 2), steps)

    short, long = 100, COMPILED_STEPS
    assert programs({}, short) == ["eager", "recorded"]
    assert programs({}, long) == ["eager", "recorded", "compiled"]
    assert programs({}, long, "loop") == ["eager", "recorded"]
    dropout = {"model": {"width": 8, "dropout": 0.2}}
    assert programs(dropout, long) == ["eager", "recorded", "compiled"]
    assert programs(dropout, long, "loop") == ["eager"]  # its seeds come from the host
    assert programs({"subspace": {"dimension": 3}}, long) == ["eager"]


def test_the_quickest_program_is_chosen_and_one_that_fails_is_not(monkeypatch):
    stack, inputs, labels = stack_of(3, {"width": 8})
    before = {name: value.clone() for name, value in stack.state.tensors().items()}
    measured = program_choice.trial_seconds

    def timed(stack, inputs, labels, batch_size, choice):
        if choice.program == "compiled":
            raise RuntimeError("no compiler")
        assert measured(stack, inputs, labels, batch_size, choice) > 0
        return {"eager": 2.0, "recorded": 1.0}[choice.program]

    monkeypatch.setattr(program_choice, "trial_seconds", timed)
    choice = choose_program(stack, inputs, labels, 8, KernelChoice("batched", 2), COMPILED_STEPS)
    assert choice == KernelChoice("batched", 2, program="recorded")
    assert all(torch.equal(value, before[name]) for name, value in stack.state.tensors().items())
