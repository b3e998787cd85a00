"""Statistics of the training path, gathered while a stack trains; defined in `dynamics_names`."""

import torch
from torch import Tensor

from benevolent.trainables.stack.step_statistics import PER_STEP, StepStatistics, over_steps
from benevolent.trainables.training.dynamics_names import AT_THE_END, DYNAMICS, LOW_LOSS, WINDOW_EPOCHS
from benevolent.trainables.training.reduced_steps import ReducedSteps

#: Sums over the phase, one number per run.
SUMS = ("path", "path_before", "bias_path", "increments", "loss_area", "gradient", "to_low_loss")
#: For each epoch of the window: count, sum, sum of squares and maximum of increments; count of steps, mean and summed
#: squared deviation of the bias; sums of the products of its updates with those before them, and of their squares.
WINDOW = ("count", "sum", "square", "max", "steps", "bias", "deviation", "products", "squares")
#: For each epoch of the window: count of steps, sum and sum of squares of the losses, sums of noise and signal.
LATE = ("steps", "loss", "square", "noise", "signal")
#: Statistics of steps whose type is that of the parameters; products of the bias's updates are in float64.
NORMS = tuple(name for name in PER_STEP if name != "bias_product")
#: Steps whose mean loss derivative is below this have no normalized bias increment: it would be rounding noise.
DERIVATIVE_FLOOR = 1e-5


class Dynamics:
    """Running statistics of K runs through one phase.

    All state is in `state`, tensors with leading axis K.

    Args:
        parameters: `(K, P)`, of the runs.
        bias_size: number of columns of the first layer's bias.
    """

    def __init__(self, parameters: Tensor, bias_size: int) -> None:
        def zeros(*shape: int) -> Tensor:
            return torch.zeros(len(parameters), *shape, dtype=torch.float64, device=parameters.device)

        self.bias_size = bias_size
        self.state: dict[str, Tensor] = {name: zeros() for name in SUMS}
        for name in WINDOW:
            width = [bias_size] if name == "bias" else []
            self.state[f"window_{name}"] = zeros(WINDOW_EPOCHS, *width)
        self.state["bias_last"] = zeros(bias_size)
        for name in LATE:
            self.state[f"late_{name}"] = zeros(WINDOW_EPOCHS)

    def keep(self, index: Tensor) -> None:
        """Drop every run that is not in `index`."""
        self.state = {name: value[index] for name, value in self.state.items()}

    def next_phase(self) -> None:
        """Start again from zero, but keep the length of the path so far."""
        before = self.state["path_before"] + self.state["path"]
        self.state = {name: torch.zeros_like(value) for name, value in self.state.items()}
        self.state["path_before"] = before

    def start_at(self, path_lengths: Tensor) -> None:
        """Begin the path with what parents of the runs have covered: `(K,)` lengths."""
        self.state["path"] += path_lengths.to(self.state["path"])

    def add(
        self, statistics: StepStatistics | ReducedSteps, epoch: int, before: int = 0, steps: int | None = None
    ) -> None:
        """Add some steps of an epoch.

        Args:
            statistics: of these steps.
            epoch: number of the epoch within the phase, from 0.
            before: number of its steps that were added before.
            steps: number of steps in a whole epoch; by default all of these.
        """
        state = self.state
        slot = epoch % WINDOW_EPOCHS
        made = len(statistics.loss)
        steps = steps or made
        rows = _rows_over_steps(statistics)
        sums = dict(zip(NORMS, rows.sum(2).unbind(), strict=True))
        by_step = dict(zip(NORMS, rows.unbind(), strict=True))
        state["path"] += sums["update"]
        state["loss_area"] += sums["loss"] / steps
        gradients = sums["gradient"] + (state["gradient"] * before if before else 0)
        state["gradient"] = gradients / (before + made)
        late = {name: state[f"late_{name}"].select(1, slot) for name in LATE}  # views
        window = {name: state[f"window_{name}"].select(1, slot) for name in WINDOW}
        if not before:  # a new epoch in the window
            torch._foreach_zero_([*late.values(), *window.values()])
        late["steps"] += made
        late["loss"] += sums["loss"]
        late["square"] += by_step["loss"].square().sum(1)
        late["noise"] += sums["noise"]
        late["signal"] += sums["signal"]
        if before + made == steps:
            low = late["loss"] / late["steps"] <= LOW_LOSS
            state["to_low_loss"].masked_fill_(low & (state["to_low_loss"] == 0), epoch + 1)
        if self.bias_size:
            state["bias_path"] += sums["bias_update"]
            self._add_bias(window, by_step, statistics)

    def _add_bias(
        self, window: dict[str, Tensor], by_step: dict[str, Tensor], statistics: StepStatistics | ReducedSteps
    ) -> None:
        """Add what happened to the first layer's bias.

        Args:
            window: the epoch's place in each tensor of the window.
            by_step: numbers of each step `(K, steps)`, in float64.
            statistics: of the steps.
        """
        state = self.state
        derivative = by_step["derivative"]
        valid = derivative >= DERIVATIVE_FLOOR
        increments = torch.where(valid, by_step["bias_gradient"] / derivative, 0.0)
        increment = increments.sum(1)
        state["increments"] += increment
        window["count"] += valid.sum(1)
        window["sum"] += increment
        window["square"] += increments.square().sum(1)
        window["max"].copy_(torch.maximum(window["max"], increments.max(1).values))
        between_calls = (state["bias_last"] * statistics.bias_first).sum(1)
        window["products"] += over_steps(statistics.bias_product).sum(1) + between_calls
        window["squares"] += by_step["bias_update"].square().sum(1)
        state["bias_last"].copy_(statistics.bias_last)
        # Chan, Golub and LeVeque 1983, as in `StepStatistics`.
        old = window["steps"].clone()
        total = window["steps"] + statistics.count
        shift = statistics.bias_mean - window["bias"]
        window["deviation"] += statistics.bias_deviation + shift.square().sum(1) * (old * statistics.count / total)
        window["bias"] += shift * (statistics.count / total).unsqueeze(1)
        window["steps"] += statistics.count

    def statistics(
        self,
        parameters: Tensor,
        initial: Tensor,
        start: Tensor,
        first_bias: slice,
        learning_rate: Tensor,
    ) -> dict[str, Tensor]:
        """Return every statistic now, name -> `(K,)` in float64; NaN where it is not defined.

        Args:
            parameters: `(K, P)` now.
            initial: the same at the random initialization.
            start: the same at the start of the phase.
            first_bias: columns of the first layer's bias; empty if there is none.
            learning_rate: `(K,)`.
        """
        state = self.state
        values = {
            "path_length": state["path"],
            "path_length_from_init": state["path_before"] + state["path"],
            "loss_area": state["loss_area"],
            "epochs_to_low_loss": _missing_unless(state["to_low_loss"] > 0, state["to_low_loss"]),
            "gradient_norm": _missing_unless(state["path"] > 0, state["gradient"]),
        }
        values |= _distances(parameters, initial, start)
        values["straightness"] = values["distance_from_start"] / values["path_length"]
        values |= self._late()
        if self.bias_size:
            bias = parameters[:, first_bias]
            values["bias_path_length"] = state["bias_path"]
            values["bias_distance_from_init"] = distance(bias, initial[:, first_bias])
            values["bias_distance_from_start"] = distance(bias, start[:, first_bias])
            values["bias_straightness"] = values["bias_distance_from_start"] / state["bias_path"]
            values |= self._window(learning_rate)
        missing = torch.full_like(state["path"], torch.nan)
        return {name: values.get(name, missing) for name in DYNAMICS if name not in AT_THE_END}

    def _late(self) -> dict[str, Tensor]:
        """Return the statistics of the losses and of the noise of their derivatives in the window."""
        sums = {name: self.state[f"late_{name}"].sum(1) for name in LATE}
        mean = sums["loss"] / sums["steps"]
        mean_square = sums["square"] / sums["steps"]
        return {
            "late_loss": mean,
            "late_loss_variance": (mean_square - mean.square()).clamp(min=0),
            "gradient_noise_scale": _missing_unless(sums["signal"] > 0, sums["noise"] / sums["signal"]),
        }

    def _window(self, learning_rate: Tensor) -> dict[str, Tensor]:
        """Return the statistics of the first layer's bias in the window."""
        state = self.state
        count = state["window_count"].sum(1)
        mean = state["window_sum"].sum(1) / count
        mean_square = state["window_square"].sum(1) / count
        variance = (mean_square - mean.square()).clamp(min=0)
        missing = torch.where(count > 0, 0.0, torch.nan)
        return {
            "bias_increment_sum": _missing_unless(state["increments"] > 0, state["increments"]),
            "bias_increment_mean": mean,
            "bias_increment_max": state["window_max"].max(1).values + missing,
            "bias_increment_cv": variance.sqrt() / mean,
            "bias_variance": self._bias_spread() / learning_rate.double().square(),
            "bias_autocorrelation": state["window_products"].sum(1) / state["window_squares"].sum(1),
        }

    def _bias_spread(self) -> Tensor:
        """Return the mean squared deviation `(K,)` of the bias from its mean over the steps of the window."""
        steps = self.state["window_steps"]
        means = self.state["window_bias"]
        center = (steps.unsqueeze(-1) * means).sum(1, keepdim=True) / steps.sum(1).view(-1, 1, 1)
        between = (steps * (means - center).square().sum(-1)).sum(1)
        return (self.state["window_deviation"].sum(1) + between) / steps.sum(1)


def _rows_over_steps(statistics: StepStatistics | ReducedSteps) -> Tensor:
    """Return the `NORMS` of steps as rows `(norms, K, steps)`, as `over_steps` returns one of them."""
    norms = torch.stack([getattr(statistics, name) for name in NORMS])
    return norms.double().transpose(1, 2).contiguous()


def _distances(parameters: Tensor, initial: Tensor, start: Tensor) -> dict[str, Tensor]:
    """Return the distances `(K,)` of parameters from the initialization and from the start of the phase."""
    from_init = distance(parameters, initial)
    change = parameters.double() - initial.double()
    return {
        "distance_from_init": from_init,
        "relative_distance_from_init": from_init / length(initial),
        "largest_change_from_init": torch.linalg.vector_norm(change, torch.inf, 1),
        "distance_from_start": distance(parameters, start),
    }


def _missing_unless(condition: Tensor, values: Tensor) -> Tensor:
    return torch.where(condition, values, torch.nan)


def distance(parameters: Tensor, other: Tensor) -> Tensor:
    """Return the Euclidean distances `(K,)` in float64 between rows `(K, P)`."""
    return length(parameters.double() - other.double())


def length(rows: Tensor) -> Tensor:
    """Return the Euclidean norms `(K,)` in float64 of rows `(K, P)`."""
    return torch.linalg.vector_norm(rows.double(), dim=1)
