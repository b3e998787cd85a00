"""K networks of one architecture with their data, of which `measured_network` gives one at a time."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from benevolent.analysis.measures.architecture import Architecture
from benevolent.analysis.measures.batchnorm import fold_stack, untrained_statistics
from benevolent.analysis.measures.derivatives import try_derivatives
from benevolent.analysis.measures.measured_network import MeasuredNetwork, Parameters, fitting_examples
from benevolent.analysis.measures.two_classes import two_class_logits
from benevolent.analysis.measures.weights import in_call_order
from benevolent.trainables.data import Inputs, Split
from benevolent.trainables.optimization.losses import LOSSES
from benevolent.trainables.stack.module_calls import call_with, named_tensors
from benevolent.trainables.stack.network import Network

#: Tensors of K networks, each `(K, ...)`, by group and name; or those of one network, each `(...)`.
Rows = Mapping[str, Parameters]

#: Examples on which the structure of a network is tried, and the difference of outputs that counts as rounding, as a
#: fraction of the largest output.
PROBED = 8
ROUNDING = 1e-3
#: Multiple of the machine's precision below which outputs are rounding alone.
CANCELLATION = 64
#: Name of the true training labels among the labels of the splits.
TRUE_LABELS = "true train"


@dataclass(frozen=True)
class NetworkStack:
    """K networks of one architecture and their data.

    Attributes:
        network: their architecture.
        architecture: its layers, with BatchNorm folded.
        loss: the loss that was minimized, see `loss_of_logits`.
        inputs: of every split, one set for all networks.
        rows: the groups `parameters`, `buffers`, `folded`, `folded_buffers`, `masks`; `initial` and `initial_folded` if
            known; and `labels` of every split (see `MeasuredNetwork`).
    """

    network: Network
    architecture: Architecture
    loss: Callable[[Tensor, Tensor], Tensor]
    inputs: Mapping[str, Inputs]
    rows: Rows

    @classmethod
    def build(
        cls,
        network: Network,
        parameters: Parameters,
        initial: Parameters | None,
        splits: Mapping[str, tuple[Tensor | Inputs, Tensor]],
        buffers: Parameters,
        loss: str,
        margin: float,
        true_labels: Tensor | None,
        masks: Parameters,
        needs_derivatives: bool = True,
    ) -> "NetworkStack":
        """Fold BatchNorm, trace the architecture on the first network and example, and collect all tensors.

        The arguments are those of `measure_stack`, and whether to try the derivatives.
        """
        first = next(iter(parameters.values()))
        size = len(first)
        inputs = {}
        labels = {}
        for name, (inputs_of_split, labels_of_split) in splits.items():
            inputs[name] = _single_set(inputs_of_split, first.dtype)
            labels[name] = labels_of_split.expand(size, -1)
        if true_labels is not None:
            labels[TRUE_LABELS] = true_labels.expand(size, -1)
        examples = inputs["train"].rows(0, PROBED)[0]
        tensors = {**_module_buffers(network, size, examples.device, first.dtype), **buffers, **parameters}
        module, folded, folded_buffers = fold_stack(network.module, tensors)
        first_folded = _row(0, {**folded_buffers, **folded})
        logits_with = functools.partial(logits_of_network, network, _row(0, buffers))
        logits_of_first = functools.partial(logits_with, _row(0, parameters))
        architecture = Architecture.trace(module, first_folded, examples[:2])
        derivatives = architecture.derivatives
        if needs_derivatives:
            derivatives = try_derivatives(
                logits_with, _row(0, parameters), examples, architecture.first_layer, architecture.activations, module
            )
        architecture = replace(
            architecture,
            sequence=_sequence_on_all(architecture, first_folded, inputs["train"]),
            derivatives=derivatives,
            folds=module is not network.module,
            doubt=_why_not_the_network(module, first_folded, logits_of_first, examples),
            mixes_examples=_mixes_examples(logits_of_first, examples),
        )
        parameters = in_call_order(parameters, architecture.calls)
        rows = {
            "parameters": parameters,
            "buffers": buffers,
            "folded": folded,
            "folded_buffers": folded_buffers,
            "masks": {name: mask.to(parameters[name]) for name, mask in masks.items()},
            "labels": labels,
        }
        if initial is not None:
            initial = {name: _at_trained(initial[name], masks.get(name)) for name in parameters}
            untrained = untrained_statistics(network.module, {**tensors, **initial})
            rows["initial"] = initial
            rows["initial_folded"] = fold_stack(network.module, untrained)[1]
        minimized = loss_of_logits(loss, network.outputs or architecture.classes, margin)
        return cls(network, architecture, minimized, inputs, rows)

    def __len__(self) -> int:
        return len(next(iter(self.rows["parameters"].values())))

    @property
    def device(self) -> torch.device:
        """The device of all tensors."""
        return next(iter(self.rows["parameters"].values())).device

    @property
    def finite(self) -> list[bool]:
        """True for the networks whose parameters are all finite."""
        finite_parts = []
        for value in self.rows["parameters"].values():
            flat = value.reshape(len(self), -1)
            finite_parts.append(flat.isfinite().all(1))
        finite: list[bool] = torch.stack(finite_parts).all(0).tolist()
        return finite

    def tensors_at(self, index: int | list[int]) -> Rows:
        """Return the tensors of one network, or of several with a leading axis."""
        chosen = {}
        for group, tensors in self.rows.items():
            chosen[group] = {name: value[index] for name, value in tensors.items()}
        return chosen

    def measured_network(
        self, tensors: Rows, mapped: MeasuredNetwork | None = None, place: Tensor | None = None
    ) -> MeasuredNetwork:
        """Return one network; or all of a stack, given tensors with a leading axis, for `MeasuredNetwork.as_stack`.

        Args:
            tensors: of the network; under `vmap`, of the one that is being mapped.
            mapped: the networks that are being mapped over.
            place: of the network among these.
        """
        labels = tensors["labels"]
        logits_of = functools.partial(logits_of_network, self.network, tensors["buffers"])
        splits = {name: Split(inputs, labels[name]) for name, inputs in self.inputs.items()}
        return MeasuredNetwork(
            logits_of=logits_of,
            parameters=tensors["parameters"],
            initial=tensors.get("initial"),
            splits=splits,
            architecture=self.architecture,
            loss=self.loss,
            folded=tensors["folded"],
            folded_buffers=tensors["folded_buffers"],
            initial_folded=tensors.get("initial_folded"),
            masks=tensors["masks"],
            true_labels=labels.get(TRUE_LABELS),
            mapped=mapped,
            place=place,
        )


def _why_not_the_network(
    module: nn.Module, tensors: Parameters, logits_of: Callable[[Tensor], Tensor], examples: Tensor
) -> str | None:
    """Return the reason why layers with BatchNorm folded are not the network; None if their outputs are the same."""
    outputs = two_class_logits(call_with(module, tensors, examples.clone()))
    if are_close(outputs, logits_of(examples)):
        return None
    return "needs layers that give the network's outputs; with BatchNorm folded they give other ones"


@torch.no_grad()
def _sequence_on_all(architecture: Architecture, tensors: Parameters, inputs: Inputs) -> nn.Module:
    """Return the layers as a sequence if they run one after another on all inputs; else the module.

    They were traced on a few, and values or the number of inputs may steer what a module does.
    """
    module, sequence = architecture.module, architecture.sequence
    if sequence is module:
        return module
    names = {id(value): name for name, value in named_tensors(module).items()}
    own_tensors = {name: tensors[names[id(value)]] for name, value in named_tensors(sequence).items()}
    size = max(1, fitting_examples(architecture))
    for start in range(0, inputs.examples, size):
        examples = inputs.rows(start, start + size)[0]
        try:
            outputs = call_with(module, tensors, examples.clone())
        except Exception:  # whatever the module raises; measures will say why
            return module
        if not are_close(call_with(sequence, own_tensors, examples.clone()), outputs):
            return module
    return sequence


def _mixes_examples(logits_of: Callable[[Tensor], Tensor], examples: Tensor) -> bool:
    """Return True if the logits of an example depend on the other ones of a batch."""
    together = logits_of(examples)
    try:
        alone = torch.cat([logits_of(example.unsqueeze(0)) for example in examples])
    except (RuntimeError, ValueError):  # torch refuses batch statistics of one example
        return True
    return not are_close(together, alone)


def are_close(first: Tensor, second: Tensor, rounding: float = ROUNDING) -> bool:
    """Return True if outputs are equal up to rounding; those that are not finite are equal to each other."""
    finite = first.isfinite() & second.isfinite()
    first = first.where(finite, 0)
    second = second.where(finite, 0)
    smallest = CANCELLATION * torch.finfo(first.dtype).eps  # of outputs that are differences of numbers near 1
    tolerance = max(rounding * float(first.abs().amax()), smallest)
    return torch.allclose(first, second, rtol=0, atol=tolerance)


def _row(row: int, tensors: Parameters) -> dict[str, Tensor]:
    return {name: value[row] for name, value in tensors.items()}


def logits_of_network(network: Network, buffers: Parameters, parameters: Parameters, inputs: Tensor) -> Tensor:
    """Return the logits `(N, C)` of one network in the inputs' precision, to which floating-point buffers are cast.

    Integer inputs, such as token ids, have the precision of the parameters.

    A network of one output z has the logits (0, z): their cross-entropy is its logistic loss, and the sign of z its
    class.
    """
    precision = inputs.dtype
    if not inputs.is_floating_point():
        precision = next(iter(parameters.values())).dtype
    tensors = {}
    for name, value in {**dict(network.module.named_buffers()), **buffers}.items():
        dtype = precision if value.is_floating_point() else value.dtype
        tensors[name] = value.to(inputs.device, dtype).clone()  # a module may change it, to count its calls
    return two_class_logits(network.single({**tensors, **parameters}, inputs))


def loss_of_logits(name: str, outputs: int, margin: float = 1.0) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of every example as a function of the logits `(N, C)` that measures see, and the targets `(N,)`.

    Args:
        name: of the loss, in `trainables.optimization.losses.LOSSES`.
        outputs: of the network. The logits of one output z are (0, z), of which z enters the loss.
        margin: of the hinge loss.

    >>> loss_of_logits("hinge", 1)(torch.tensor([[0.0, 0.25]]), torch.tensor([1]))
    tensor([0.7500])
    """
    loss = LOSSES[name].having(margin).differentiable
    if outputs > 1:
        return loss
    return lambda logits, targets: loss(logits[..., -1:], targets)


def _module_buffers(network: Network, size: int, device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return the module's own buffers, the same for all networks, `name -> (size, ...)`."""
    buffers = {}
    for name, value in network.module.named_buffers():
        value = value.to(device, dtype if value.is_floating_point() else value.dtype)
        buffers[name] = value.expand(size, *value.shape)
    return buffers


def _at_trained(initial: Tensor, mask: Tensor | None) -> Tensor:
    """Return initial values `(K, ...)` with 0 at pruned weights, which are 0 at the end too."""
    return initial if mask is None else initial.where(mask != 0, 0)


def _single_set(inputs: Tensor | Inputs, dtype: torch.dtype) -> Inputs:
    """Return the inputs of the first run as a set of their own; real numbers in a precision, integers as they are."""
    if isinstance(inputs, Tensor):
        return Inputs.of(inputs.to(dtype) if inputs.is_floating_point() else inputs)
    slot = inputs.slot[:1]
    if len(inputs.stored) == 1 and inputs.subset is None:
        return replace(inputs, slot=slot)
    stored = inputs.stored[slot]
    if inputs.subset is not None:
        stored = stored[:, inputs.subset[0]]
    mean = None if inputs.mean is None else inputs.mean[slot]
    deviation = None if inputs.deviation is None else inputs.deviation[slot]
    return replace(inputs, stored=stored, slot=torch.zeros_like(slot), mean=mean, deviation=deviation, subset=None)
