"""Statistics of the training path, gathered while a stack trains.

Notation: theta_t all parameters and b_t the first-layer bias after step t, g_t the gradient of the batch's mean loss,
eps_t the mean over the batch of ||d loss / d logits||_2 and alpha the learning rate.
"""

import torch
from torch import Tensor

from benevolent.trainables.training.step_statistics import StepStatistics, over_steps

#: Whole epochs in the window of `bias_increment_*` and `bias_variance`.
WINDOW_EPOCHS = 10
#: What a slot of it holds of its epoch: count, sum, sum of squares, maximum of the increments; count of steps, mean and
#: summed squared deviation of the bias; sums of the products of its updates with those before them, and of the squares.
WINDOW = ("count", "sum", "square", "max", "steps", "bias", "deviation", "products", "squares")
#: And of the losses and gradients of its epoch: count of steps, sum and sum of squares of the losses; count and sum of
#: squared norms of the sampled gradients; estimates of B tr Cov(g) and of ||E g||^2.
LATE = ("steps", "loss", "square", "samples", "norms", "noise", "signal")
#: Steps whose mean loss derivative is below this have no normalized bias increment: it would be rounding noise.
DERIVATIVE_FLOOR = 1e-5
#: What `epochs_to_low_loss` waits for.
LOW_LOSS = 0.1

#: name -> (what, source)
DYNAMICS: dict[str, tuple[str, str]] = {
    "path_length": ("sum of ||theta_t+1 - theta_t|| in the phase", "Loukas et al. 2021"),
    "path_length_from_init": ("the same over all phases since the initialization", "Loukas et al. 2021"),
    "distance_from_init": ("||theta_t - theta_0||, without pruned weights", "Nagarajan and Kolter 2019"),
    "relative_distance_from_init": ("the same / ||theta_0||", "Chizat et al. 2019"),
    "largest_change_from_init": ("max_i |theta_t,i - theta_0,i|, likewise", "Nagarajan and Kolter 2019"),
    "distance_from_start": ("||theta_t - theta at the start of the phase||", "Nagarajan and Kolter 2019"),
    "straightness": ("distance_from_start / path_length", "Loukas et al. 2021"),
    "bias_path_length": ("sum of ||b_t+1 - b_t|| in the phase", "Loukas et al. 2021"),
    "bias_distance_from_init": ("||b_t - b_0||", "Loukas et al. 2021 (authors' code: 'corollary 2')"),
    "bias_distance_from_start": (
        "||b_t - b at the start of the phase||",
        "Loukas et al. 2021 (authors' code: 'corollary 2')",
    ),
    "bias_straightness": ("bias_distance_from_start / bias_path_length", "Loukas et al. 2021"),
    "bias_increment_sum": ("sum of ||dL/db|| / eps over the phase", "Loukas et al. 2021 (authors' code: 'theorem 1')"),
    "bias_increment_mean": (
        "mean of ||dL/db|| / eps in the last 10 epochs of the phase",
        "Loukas et al. 2021 (authors' code: 'theorem 1')",
    ),
    "bias_increment_max": (
        "maximum of ||dL/db|| / eps in the last 10 epochs of the phase",
        "Loukas et al. 2021",
    ),
    "bias_increment_cv": (
        "coefficient of variation of ||dL/db|| / eps in the last 10 epochs of the phase",
        "Loukas et al. 2021",
    ),
    "bias_variance": (
        "mean of ||b_t - mean b||^2 / alpha^2 in the last 10 epochs of the phase",
        "Loukas et al. 2021 (authors' code: 'corollary 1')",
    ),
    "bias_autocorrelation": (
        "sum of <d_t-1, d_t> / sum of ||d_t||^2 in the last 10 epochs of the phase, with d_t = b_t+1 - b_t",
        "Box and Jenkins 1970",
    ),
    "loss_area": (
        "sum of the training losses: of all batches of the phase / batches per epoch (nats x epochs)",
        "Ru et al. 2021",
    ),
    "epochs_to_low_loss": (
        f"the first epoch of the phase whose mean batch loss is at most {LOW_LOSS}; missing until then",
        "Arpit et al. 2017",
    ),
    "late_loss": ("mean of the batch losses of the last 10 epochs of the phase", "Ru et al. 2021"),
    "late_loss_variance": ("variance of the batch losses of the last 10 epochs of the phase", "Ru et al. 2021"),
    "gradient_noise_scale": (
        "B tr Cov(g) / ||E g||^2 over the batches of B of an epoch: every eighth one of the last 10 (examples)",
        "McCandlish et al. 2018",
    ),
    "gradient_norm": ("mean of ||g_t|| over the last epoch, as far as it has come", "Jiang et al. 2020"),
    "epochs_to_target": ("epochs of the last phase until the target train loss", "Arpit et al. 2017"),
    "early_stop_epoch": ("epoch of the last phase with the lowest validation loss", "Frankle and Carbin 2019"),
    "early_stop_loss": ("the lowest validation loss of the last phase", "Frankle and Carbin 2019"),
}

#: Known of a run only when it has stopped; the latter two with `record.early_stop`.
AT_THE_END = ("epochs_to_target", "early_stop_epoch", "early_stop_loss")


class Dynamics:
    """The running statistics of K runs through one phase.

    All state is in `state`, tensors with leading axis K.

    Args:
        parameters: `(K, P)`, of the runs.
        bias_size: how many of the columns are the first layer's bias.
    """

    def __init__(self, parameters: Tensor, bias_size: int) -> None:
        def zeros(*shape: int) -> Tensor:
            return torch.zeros(len(parameters), *shape, dtype=torch.float64, device=parameters.device)

        sums = ("path", "path_before", "bias_path", "increments", "loss_area", "gradient", "to_low_loss")
        self.state: dict[str, Tensor] = {name: zeros() for name in sums}
        for name in WINDOW:
            self.state[f"window_{name}"] = zeros(WINDOW_EPOCHS, *([bias_size] if name == "bias" else []))
        self.state["bias_last"] = zeros(bias_size)
        self.state |= {f"late_{name}": zeros(WINDOW_EPOCHS) for name in LATE}
        # Of the gradients that were sampled in this epoch; in their precision: in twice as many bytes, adding to it
        # would drive the step out of the processor's cache.
        self.state["total"] = torch.zeros_like(parameters)
        self.bias_size = bias_size

    def keep(self, index: Tensor) -> None:
        """Drop every run that is not in `index`."""
        self.state = {name: value[index] for name, value in self.state.items()}

    def next_phase(self) -> None:
        """Start anew, but remember the path walked so far."""
        before = self.state["path_before"] + self.state["path"]
        self.state = {name: torch.zeros_like(value) for name, value in self.state.items()}
        self.state["path_before"] = before

    def begin_epoch(self) -> None:
        """Gradients are added up anew."""
        self.state["total"].zero_()

    def add(self, trace: StepStatistics, epoch: int, before: int = 0, steps: int | None = None) -> None:
        """Take in some steps of an epoch.

        Args:
            trace: of these steps.
            epoch: the number of the epoch in the phase, from 0.
            before: how many of its steps were taken in already.
            steps: how many a whole epoch has; by default those of the trace.
        """
        state, slot, made = self.state, epoch % WINDOW_EPOCHS, len(trace.loss)
        state["path"] += over_steps(trace.update).sum(1)
        state["loss_area"] += over_steps(trace.loss).sum(1) / (steps or made)
        gradients = over_steps(trace.gradient).sum(1) + (state["gradient"] * before if before else 0)
        state["gradient"] = gradients / (before + made)
        self._add_late(slot, trace, not before)
        if before + made == (steps or made):
            low = state["late_loss"][:, slot] / state["late_steps"][:, slot] <= LOW_LOSS
            state["to_low_loss"].masked_fill_(low & (state["to_low_loss"] == 0), epoch + 1)
        if not self.bias_size:
            return
        if not before:
            for name in WINDOW:
                state[f"window_{name}"][:, slot] = 0
        state["bias_path"] += over_steps(trace.bias_update).sum(1)
        derivative = over_steps(trace.derivative)
        valid = derivative >= DERIVATIVE_FLOOR
        increments = torch.where(valid, over_steps(trace.bias_gradient) / derivative, 0.0)
        state["increments"] += increments.sum(1)
        here = {name: state[f"window_{name}"][:, slot] for name in WINDOW}  # views
        here["count"] += valid.sum(1)
        here["sum"] += increments.sum(1)
        here["square"] += increments.square().sum(1)
        here["max"].copy_(torch.maximum(here["max"], increments.max(1).values))
        here["products"] += over_steps(trace.bias_product).sum(1) + (state["bias_last"] * trace.bias_first).sum(1)
        here["squares"] += over_steps(trace.bias_update).square().sum(1)
        state["bias_last"].copy_(trace.bias_last)
        old, total = here["steps"].clone(), here["steps"] + trace.count
        shift = trace.bias_mean - here["bias"]  # Chan, Golub and LeVeque 1983, as in `StepStatistics`
        here["deviation"] += trace.bias_deviation + shift.square().sum(1) * (old * trace.count / total)
        here["bias"] += shift * (trace.count / total).unsqueeze(1)
        here["steps"] += trace.count

    def _add_late(self, slot: int, trace: StepStatistics, fresh: bool) -> None:
        """Take losses and gradients into a slot of the window; `fresh`: they are the first of their epoch.

        Noise and signal are those of the sampled gradients g_1 ... g_n of the epoch's M: with their variance
        `S^2 = sum ||g_i - mean g||^2 / (n - 1)`, noise is `B S^2`, and signal `||mean g||^2 - (1 - n / M) S^2 / n`, the
        squared norm of the mean without the variance that is due to sampling (McCandlish et al. 2018, appendix A, for
        batches that are drawn without replacement). At the end of the epoch n = M, and the signal is positive. Both are
        averaged over the window before their ratio is taken.
        """
        if fresh:
            for name in LATE:
                self.state[f"late_{name}"][:, slot] = 0
        here = {name: self.state[f"late_{name}"][:, slot] for name in LATE}  # views
        losses = over_steps(trace.loss)
        here["steps"] += losses.shape[1]
        here["loss"] += losses.sum(1)
        here["square"] += losses.square().sum(1)
        here["samples"] += trace.samples
        here["norms"] += trace.squares
        if trace.samples:
            count = here["samples"]
            of_mean = torch.linalg.vector_norm(self.state["total"], dim=1, dtype=torch.float64).div(count).square()
            variance = (here["norms"] - count * of_mean).clamp(min=0) / (count - 1)
            unsampled = 1 - count / trace.sampled_per_epoch
            enough = count > 1
            here["noise"].copy_(torch.where(enough, trace.examples * variance, 0))
            here["signal"].copy_(torch.where(enough, of_mean - unsampled * variance / count, 0))

    def _late(self) -> dict[str, Tensor]:
        steps, loss, square, _, _, noise, signal = (self.state[f"late_{name}"].sum(1) for name in LATE)
        mean = loss / steps
        return {
            "late_loss": mean,
            "late_loss_variance": (square / steps - mean.square()).clamp(min=0),
            "gradient_noise_scale": torch.where(signal > 0, noise / signal, torch.nan),
        }

    def statistics(
        self,
        parameters: Tensor,
        initial: Tensor,
        start: Tensor,
        first_bias: slice,
        learning_rate: Tensor,
    ) -> dict[str, Tensor]:
        """Every statistic now, name -> `(K,)` in float64; NaN where it is not defined.

        Args:
            parameters: `(K, P)` now.
            initial: the same at the random initialization.
            start: the same at the start of the phase.
            first_bias: which columns are the first layer's bias; empty if there is none.
            learning_rate: `(K,)`.
        """
        state = self.state
        nothing = torch.full_like(state["path"], torch.nan)
        values = {
            "path_length": state["path"],
            "path_length_from_init": state["path_before"] + state["path"],
            "distance_from_init": distance(parameters, initial),
            "relative_distance_from_init": distance(parameters, initial) / length(initial),
            "largest_change_from_init": torch.linalg.vector_norm(parameters.double() - initial.double(), torch.inf, 1),
            "distance_from_start": distance(parameters, start),
            "loss_area": state["loss_area"],
            "epochs_to_low_loss": torch.where(state["to_low_loss"] > 0, state["to_low_loss"], torch.nan),
            "gradient_norm": torch.where(state["path"] > 0, state["gradient"], torch.nan),
        }
        values |= self._late()
        values["straightness"] = values["distance_from_start"] / values["path_length"]
        if self.bias_size:
            bias = parameters[:, first_bias]
            values["bias_path_length"] = state["bias_path"]
            values["bias_distance_from_init"] = distance(bias, initial[:, first_bias])
            values["bias_distance_from_start"] = distance(bias, start[:, first_bias])
            values["bias_straightness"] = values["bias_distance_from_start"] / state["bias_path"]
            values |= self._window(learning_rate)
        return {name: values.get(name, nothing) for name in DYNAMICS if name not in AT_THE_END}

    def _window(self, learning_rate: Tensor) -> dict[str, Tensor]:
        state = self.state
        count = state["window_count"].sum(1)
        mean = state["window_sum"].sum(1) / count
        variance = (state["window_square"].sum(1) / count - mean.square()).clamp(min=0)
        steps = state["window_steps"]
        center = (steps.unsqueeze(-1) * state["window_bias"]).sum(1, keepdim=True) / steps.sum(1).view(-1, 1, 1)
        between = (steps * (state["window_bias"] - center).square().sum(-1)).sum(1)
        spread = (state["window_deviation"].sum(1) + between) / steps.sum(1)
        missing = torch.where(count > 0, 0.0, torch.nan)
        return {
            "bias_increment_sum": torch.where(state["increments"] > 0, state["increments"], torch.nan),
            "bias_increment_mean": mean,
            "bias_increment_max": state["window_max"].max(1).values + missing,
            "bias_increment_cv": variance.sqrt() / mean,
            "bias_variance": spread / learning_rate.double().square(),
            "bias_autocorrelation": state["window_products"].sum(1) / state["window_squares"].sum(1),
        }


def distance(parameters: Tensor, other: Tensor) -> Tensor:
    """Euclidean distances `(K,)` in float64 between rows `(K, P)`."""
    return length(parameters.double() - other.double())


def length(rows: Tensor) -> Tensor:
    """Euclidean norms `(K,)` in float64 of rows `(K, P)`."""
    return torch.linalg.vector_norm(rows.double(), dim=1)
