"""Forward passes of a module before it is trained, in training and in eval mode, on the same two inputs."""

import random
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.kept_state import (
    KINDS,
    Attribute,
    State,
    attributes,
    can_be_disturbed,
    changed_attributes,
    disturbed,
    kept_state,
)
from benevolent.trainables.stack.module_calls import copied, load_tensors, named_tensors


@dataclass(frozen=True)
class ModuleTrial:
    """Results of forward passes on the same two inputs.

    Attributes:
        in_training: of a pass in training.
        once_more: of another one, from the same buffers and the same state of torch's generator.
        in_eval_mode: of a pass in eval mode.
        repeated: of another one.
        alone: of the two inputs one after the other, in eval mode; None if that fails.
        draws, changes_inputs, changes_in_eval: see `ModuleProbe`.
        changed: names of the parameters and buffers that training changes.
        kept: name of an attribute that passes change, and on which outputs depend; None if there is none.
        foreign: True if other random generators than torch's were used.
    """

    in_training: Any
    once_more: Any
    in_eval_mode: Any
    repeated: Any
    alone: Tensor | None
    draws: bool
    changes_inputs: bool
    changes_in_eval: bool
    changed: frozenset[str]
    kept: str | None
    foreign: bool


@torch.no_grad()
def try_module(module: nn.Module, before: Mapping[str, Tensor], input_shape: tuple[int, ...]) -> ModuleTrial:
    """Run a module; its mode, parameters and buffers are left as they happen to be.

    Args:
        module: to be tried.
        before: copies of its parameters and buffers.
        input_shape: of one input.
    """
    foreign_state = _foreign_generators()
    fresh = _copied_if_possible(module)
    start = kept_state(module)
    with torch.random.fork_rng(devices=[]):
        inputs = torch.randn(2, *input_shape)
        other_inputs = torch.randn(2, *input_shape)
        generator = torch.get_rng_state()
        given = inputs.clone()
        in_training = module.train()(given)
        draws = not torch.equal(generator, torch.get_rng_state())
        changed = _changed(module, before)
        first = kept_state(module)
        once_more = _again(module, inputs, before, generator)
        second = kept_state(module)
        load_tensors(module, before)
        given_again = inputs.clone()
        in_eval_mode = module.eval()(given_again)
        repeated = module(inputs.clone())
        alone = _one_by_one(module, inputs)
        changes_in_eval = bool(_changed(module, before))
        last = kept_state(module)
        other = None
        if fresh is not None:
            _again(fresh.train(), other_inputs, before, generator)
            other = kept_state(fresh)
        passes = _Passes(module, inputs, before, generator, once_more, repeated)
        kept = passes.first_they_depend_on(_doubtful(start, first, second, last, other))
    return ModuleTrial(
        in_training=in_training,
        once_more=once_more,
        in_eval_mode=in_eval_mode,
        repeated=repeated,
        alone=alone,
        draws=draws,
        changes_inputs=not (torch.equal(given, inputs) and torch.equal(given_again, inputs)),
        changes_in_eval=changes_in_eval,
        changed=changed,
        kept=kept,
        foreign=_foreign_generators() != foreign_state,
    )


def _doubtful(start: State, first: State, second: State, last: State, other: State | None) -> set[str]:
    """Return the names of attributes that hold more than what the first pass leaves there for any inputs.

    Args:
        start: before any pass.
        first: after the first pass in training.
        second: after the second one.
        last: after those in eval mode.
        other: of a copy after its first pass, on other inputs; None if the module cannot be copied.
    """
    changed = changed_attributes(first, second) | changed_attributes(second, last)
    if other is None:
        return changed
    made_by_first = changed_attributes(start, first)
    return changed | (made_by_first & changed_attributes(first, other))


def equal_outputs(first: object, second: object) -> bool:
    """Return True for equal tensors, NaN included."""
    if not (isinstance(first, Tensor) and isinstance(second, Tensor)):
        return False
    return first.shape == second.shape and torch.equal(first.nan_to_num(), second.nan_to_num())


@dataclass(frozen=True)
class _Passes:
    """Passes in training and in eval mode whose outputs are known."""

    module: nn.Module
    inputs: Tensor
    before: Mapping[str, Tensor]
    generator: Tensor
    in_training: Any
    in_eval_mode: Any

    def first_they_depend_on(self, names: Container[str]) -> str | None:
        """Return the first of some attributes on which outputs depend; None if there is none."""
        for attribute in attributes(self.module):
            if attribute.full_name in names and self.depend_on(attribute):
                return attribute.full_name
        return None

    def depend_on(self, attribute: Attribute) -> bool:
        """Return True if outputs change, or fail, with other values in an attribute, or if it can have none."""
        if not can_be_disturbed(attribute):
            return True
        for kind in range(KINDS):
            for training, expected in ((True, self.in_training), (False, self.in_eval_mode)):
                self.module.train(training)
                try:
                    with disturbed(attribute, kind):
                        outputs = _again(self.module, self.inputs, self.before, self.generator)
                except Exception:  # whatever the user's module raises
                    return True
                if isinstance(expected, Tensor) and not equal_outputs(outputs, expected):
                    return True
        return False


def _again(module: nn.Module, inputs: Tensor, before: Mapping[str, Tensor], generator: Tensor) -> Any:
    """Return the outputs from given parameters and buffers, and a given state of torch's generator."""
    load_tensors(module, before)
    torch.set_rng_state(generator)
    return module(inputs.clone())


def _copied_if_possible(module: nn.Module) -> nn.Module | None:
    try:
        return copied(module)
    except BadInput:
        return None


def _one_by_one(module: nn.Module, inputs: Tensor) -> Tensor | None:
    try:
        return torch.cat([module(each.unsqueeze(0).clone()) for each in inputs])
    except (RuntimeError, TypeError, ValueError):  # such as batch statistics of one input
        return None


def _foreign_generators() -> tuple[object, bytes, int]:
    """Return the state of the random generators that no run's seed reaches."""
    name, keys, position, *_ = np.random.get_state()  # noqa: NPY002 (the global generator, which a module may use)
    return random.getstate(), np.asarray(keys).tobytes(), int(position)


def _changed(module: nn.Module, before: Mapping[str, Tensor]) -> frozenset[str]:
    """Return the names of the parameters and buffers that are not as before."""
    return frozenset(name for name, value in named_tensors(module).items() if not torch.equal(value, before[name]))
