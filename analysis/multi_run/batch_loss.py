"""The loss of K networks, each on a batch of its own and in training mode, as a function of their parameters.

BatchNorm takes the statistics of the batch, and layers that draw random numbers draw the same ones at every call, so
that the loss is a function. Measures of single networks see the whole training split in eval mode instead
(`analysis.measures.training_loss`).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benevolent.analysis.results import Results
from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import Inputs, augmented
from benevolent.trainables.errors import BadInput
from benevolent.trainables.optimization.losses import LOSSES
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.layers import Mode
from benevolent.trainables.stack.network import Network
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.parameters import StoredNetworks, read_parameters
from benevolent.trainables.training.example_order import training_orders

#: Stream of the random numbers of layers.
STREAM = "multi_run/batch loss"


@dataclass(frozen=True)
class BatchLoss:
    """The mean loss of each of K networks on its batch.

    Attributes:
        network: the architecture, of layers in batched form.
        configs: of the K runs, of one cohort.
        buffers: `(K, B)`, laid out by `network.buffers`.
        inputs: `(K, N, *input_shape)`.
        labels: `(K, N)`.
        step: of the phase, for the random numbers of layers.
    """

    network: Network
    configs: Sequence[RunConfig]
    buffers: Tensor
    inputs: Tensor
    labels: Tensor
    step: int

    def gradient(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient `(K, P)` and the loss `(K,)` at parameters `(K, P)`, laid out by `network.parameters`."""
        leaf = parameters.detach().requires_grad_()
        views = self.network.parameters.views(leaf)
        logits = self.network.logits(views, self._buffer_views(), self.inputs, mode=self.mode())
        config = self.configs[0].loss
        losses = LOSSES[config.name].having(config.margin).differentiable(logits.flatten(0, 1), self.labels.flatten())
        means = losses.view(self.labels.shape).mean(1)
        (gradient,) = torch.autograd.grad(means.sum(), leaf)
        return gradient, means.detach()

    @torch.no_grad()
    def layer_inputs(self, parameters: Tensor, later_steps: int = 0) -> list[Tensor]:
        """Return the inputs `(K, N, ...)` of each layer with weights at parameters `(K, P)`.

        Args:
            parameters: laid out by `network.parameters`.
            later_steps: layers draw the random numbers of so many steps later.

        Raises:
            BadInput: the network is not a plain sequence of layers.
        """
        batched = self.network.batched
        if batched is None or batched.kind is not torch.nn.Sequential:
            raise BadInput("layer inputs: the network is not a plain sequence of layers in batched form")
        views = self.network.parameters.views(parameters)
        tensors = self.network.batched_tensors(views, self._buffer_views())
        mode = self.mode(later_steps)
        outputs = self.inputs
        found = []
        for child in batched.children.values():
            if child.facts.weights is not None:
                found.append(outputs)
            outputs = child(tensors, outputs, mode)
        return found

    def mode(self, later_steps: int = 0) -> Mode:
        """Return the mode of training, with the random numbers of this step or of a later one at their beginning."""
        seeds = [config.seed for config in self.configs]
        step = self.step + later_steps
        return Mode(training=True, draws=StackGenerator(seeds, STREAM, step, self.inputs.device))

    def _buffer_views(self) -> dict[str, Tensor]:
        """Return a copy of the buffers in their stored form: training mode changes the statistics of BatchNorm."""
        return self.network.buffers.views(self.buffers.clone())


@dataclass(frozen=True)
class StepOfRuns:
    """The networks of some runs before one step of training, and their loss on the batch of that step.

    Attributes:
        run_ids: of the K runs.
        step: of the phase.
        parameters: `(K, P)`, laid out by `loss.network.parameters`.
        loss: on the batches.
    """

    run_ids: Sequence[str]
    step: int
    parameters: Tensor
    loss: BatchLoss


def kept_steps(results: Results, run_ids: Collection[str] | None = None) -> Iterator[StepOfRuns]:
    """Iterate over the checkpoints of the last phase of all runs, each with the batch of the step that comes next.

    Args:
        results: of runs that kept checkpoints.
        run_ids: of the runs that are wanted, by default all of `results.runs`.

    Raises:
        BadInput: a network has a layer without batched form, a run has its labels from a teacher, or data are not on
            this machine.
    """
    wanted = set(results.runs["run_id"] if run_ids is None else run_ids)
    cohort_of_run = results.cohorts.cohort_of_run  # a run may be in several, and is read from one
    cohorts = zip(results.cohorts.folders, results.cohorts.manifests, strict=True)
    for position, (folder, manifest) in enumerate(cohorts):
        files = CohortFiles(folder, manifest.cohort_id)
        for path in files.parameter_files():
            if paths.is_final(path):
                continue
            stored = read_parameters(files.folder, path)
            rows = []
            for row, run_id in enumerate(stored.run_ids):
                if run_id in wanted and cohort_of_run[run_id] == position:
                    rows.append(row)
            configs = [results.config(stored.run_ids[row]) for row in rows]
            if configs and stored.metadata["phase"][0] == configs[0].phases[-1].name:
                yield _step_of_runs(stored, rows, configs)


def _step_of_runs(stored: StoredNetworks, rows: Sequence[int], configs: Sequence[RunConfig]) -> StepOfRuns:
    """Return some of the networks of a file, with the batch of their next step."""
    dataset = data.load(configs[0].data, configs[0].precision)
    architecture = built_network.for_run(configs[0], dataset)
    if architecture.batched is None:
        raise BadInput(f"model.family = {configs[0].model.family!r}: a layer has no batched form")  # type: ignore[attr-defined]
    if configs[0].teacher is not None:
        raise BadInput(f"run {stored.run_ids[0]}: its labels come from a teacher, which a batch here cannot have")
    step = stored.metadata["step"][0]
    inputs, labels = _next_batch(configs, dataset, step)
    tensors = {name: value[list(rows)] for name, value in stored.tensors.items()}
    parameters = architecture.parameters.rows(tensors)
    buffers = architecture.buffers.rows(tensors)
    loss = BatchLoss(architecture, configs, buffers, inputs, labels, step)
    run_ids = [stored.run_ids[row] for row in rows]
    return StepOfRuns(run_ids, step, parameters, loss)


def _next_batch(configs: Sequence[RunConfig], dataset: data.Dataset, step: int) -> tuple[Tensor, Tensor]:
    """Return the inputs `(K, N, ...)` and labels `(K, N)` of the step after `step` steps of the last phase."""
    config = configs[0]
    phases = [run.phases[-1] for run in configs]
    epoch, step_of_epoch = divmod(step, config.steps_per_epoch)
    inputs: Inputs = data.inputs_of(dataset, configs, "train", epoch, phases[0].name)
    labels = data.labels_of(dataset, configs, phases, "train", epoch)
    seeds = [run.seed for run in configs]
    order = training_orders(seeds, phases[0].name, epoch, config.data.train_size)
    size = config.optimizer.examples_per_step(config.data.train_size)
    batches = Batches(inputs, labels, order, size, epoch).between(step_of_epoch, step_of_epoch + 1)
    ((batch, targets),) = list(batches)
    draws = StackGenerator(seeds, f"{STREAM}/augmentation", step)
    return augmented(batch, config.data.augment, draws, inputs.border), targets
