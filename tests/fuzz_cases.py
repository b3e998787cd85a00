"""Every measure that a random network is compared on: its value by definition, and where it has a meaning."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from naive_measures import HOMOGENEOUS, ON_PATHS, Naive
from random_networks import RandomNetwork, random_network

from benevolent.analysis import measure_network

#: Parameters up to which the dense Hessian is computed.
DENSE = 70
#: In float64 a margin over a slope that is zero up to rounding is larger than this.
HUGE = 1e6


class Case(NamedTuple):
    """A measure by definition.

    Attributes:
        value: of a network; one number, or several.
        applies: whether the measure has a meaning for it, and the project should know so.
        tolerance: relative, of iterative measures.
    """

    value: Callable[[Naive], Any]
    applies: Callable[[Naive], bool] = lambda naive: True
    tolerance: float = 1e-6


def differentiable(naive: Naive) -> bool:
    return all(step.how != "detached" for step in naive.network.steps)


def has_slopes(naive: Naive) -> bool:
    return differentiable(naive) and naive.inputs.is_floating_point()


def once(naive: Naive) -> bool:
    return naive.weights_act_once


def operators(naive: Naive) -> bool:
    return naive.has_operator_norms


def homogeneous(naive: Naive) -> bool:
    return once(naive) and naive.is_chain_of(HOMOGENEOUS)


def on_paths(naive: Naive) -> bool:
    return naive.is_chain_of(ON_PATHS)


def features(naive: Naive) -> bool:
    last = naive.network.steps[naive.weight_steps[-1]]
    return once(naive) and last.how in ("call", "detached")


def layer_inputs(naive: Naive) -> bool:
    called = all(naive.network.steps[place].how == "call" for place in naive.weight_steps)
    return once(naive) and has_slopes(naive) and called


def relu_layers(naive: Naive) -> bool:
    relus = [step for step in naive.network.steps if step.op == "relu"]
    return once(naive) and bool(relus) and all(step.how == "call" for step in relus)


def kernels(naive: Naive) -> np.ndarray:
    return np.array([np.linalg.svd(w.reshape(len(w), -1), compute_uv=False)[0] for w in naive.weights])


def frobenius(naive: Naive) -> np.ndarray:
    return np.array([np.linalg.norm(weight) for weight in naive.weights])


def parameters(naive: Naive) -> np.ndarray:
    return np.concatenate([value.flatten().numpy() for value in naive.tensors.values()])


def unpruned(naive: Naive) -> int:
    return len(parameters(naive)) - sum(int((mask == 0).sum()) for mask in naive.network.masks.values())


def p10(naive: Naive) -> np.float64:
    return np.quantile(naive.margins, 0.1)  # numpy's number: one over it is infinite where it is 0


CASES: dict[str, Case] = {
    "parameter_count": Case(lambda n: len(parameters(n))),
    "effective_parameters": Case(unpruned),
    "parameter_norm": Case(lambda n: np.linalg.norm(parameters(n))),
    "l1_norm": Case(lambda n: np.abs(parameters(n)).sum()),
    "log_frobenius_product": Case(lambda n: np.log(frobenius(n)).sum(), once),
    "frobenius_sum": Case(lambda n: frobenius(n).sum(), once),
    "log_l1_product": Case(lambda n: math.log(n.norm_product(1)), once),
    "log_spectral_product": Case(lambda n: np.log(n.spectral).sum(), operators, 1e-4),
    "spectral_sum": Case(lambda n: np.sum(n.spectral), operators, 1e-4),
    "log_kernel_product": Case(lambda n: np.log(kernels(n)).sum(), once),
    "frobenius_over_spectral": Case(lambda n: np.sum((frobenius(n) / kernels(n)) ** 2), once),
    "stable_rank_max": Case(lambda n: np.max((frobenius(n) / kernels(n)) ** 2), once),
    "path_norm": Case(lambda n: math.sqrt(n.paths(2)), on_paths),
    "path_norm_l1": Case(lambda n: n.paths(1), on_paths),
    "margin_min": Case(lambda n: n.margins.min()),
    "margin_p10": Case(p10),
    "margin_median": Case(lambda n: np.quantile(n.margins, 0.5)),
    "margin_p10_frobenius": Case(lambda n: p10(n) / n.norm_product(2), homogeneous),
    "margin_p10_spectral": Case(lambda n: p10(n) / math.prod(n.spectral), operators, 1e-4),
    "log_spectral_over_margin": Case(
        lambda n: np.log(math.prod(s**2 for s in n.spectral) / p10(n) ** 2), operators, 1e-4
    ),
    "path_norm_over_margin": Case(lambda n: n.paths(2) / p10(n) ** 2, on_paths),
    "normalized_train_loss": Case(lambda n: n.loss_over(n.norm_product(2)), homogeneous),
    "normalized_train_loss_l1": Case(lambda n: n.loss_over(n.norm_product(1)), homogeneous),
    "normalized_train_loss_by_output": Case(lambda n: n.loss_over(float(n.logits()[0].norm()))),
    "lipschitz_mean": Case(lambda n: n.slopes.mean(), has_slopes),
    "lipschitz_max": Case(lambda n: n.slopes.max(), has_slopes),
    "jacobian_frobenius_mean": Case(lambda n: np.linalg.norm(n.jacobians, axis=(1, 2)).mean(), has_slopes),
    "input_margin_median": Case(lambda n: np.quantile(n.input_margins(), 0.5), has_slopes),
    "loss_sensitivity_mean": Case(lambda n: n.loss_sensitivities().mean(), has_slopes),
    "fisher_rao_norm": Case(lambda n: n.fisher_rao(), differentiable),
    "davies_bouldin": Case(lambda n: n.davies_bouldin(), features),
    "layer_margins": Case(lambda n: n.layer_margins(), layer_inputs),
    "activation_regions": Case(lambda n: n.regions(), relu_layers),
}
#: Costly ones, of some networks.
CURVATURE: dict[str, Case] = {
    "sharpness": Case(lambda n: np.linalg.eigvalsh(n.hessian)[-1], differentiable, 2e-2),
    "hessian_trace": Case(lambda n: np.trace(n.hessian), differentiable, 1e-4),
}


class Finding(NamedTuple):
    """One measure of one network: `equal`, `undefined`, `not applicable`, `refused` (though it applies) or `wrong`."""

    measure: str
    verdict: str
    line: str

    @property
    def is_problem(self) -> bool:
        return self.verdict in ("wrong", "refused")

    def described(self, seed: int, network: RandomNetwork) -> str:
        return f"{seed} {sorted(set(network.kinds))}: {self.measure} {self.verdict}: {self.line}"


def findings(seed: int) -> tuple[RandomNetwork, list[Finding]]:
    """Measure a random network and compare."""
    network = random_network(seed)
    naive = Naive(network)
    cases = dict(CASES)
    size = len(parameters(naive))
    if size <= DENSE and seed % 4 == 0 and network.double:
        cases |= CURVATURE
    table = measure_network(network.module, network.inputs, network.labels, measures=[*cases], **network.options)
    found = []
    for name, case in cases.items():
        rows = table.loc[[name]]
        found.append(_finding(naive, name, case, rows["value"].tolist(), rows["status"].iloc[0]))
    return network, found


def _finding(naive: Naive, name: str, case: Case, values: Sequence[float], status: str) -> Finding:
    applies = case.applies(naive)
    if status.startswith("not applicable"):
        return Finding(name, "refused" if applies else "not applicable", status)
    if not applies and differentiable(naive):  # a detached part may be one that does not move the outputs
        return Finding(name, "wrong", f"{values} {status}, where it should not apply")
    with np.errstate(divide="ignore", invalid="ignore"):
        right = np.atleast_1d(case.value(naive))
    if status.startswith("undefined"):
        exists = (np.abs(right) < HUGE).all()
        return Finding(name, "wrong" if exists else "undefined", f"{status}, is {right.tolist()}")
    tolerance = case.tolerance if naive.network.double else max(case.tolerance, 2e-3)
    size = float(naive.logits().abs().max()) if "margin" in name else 1.0
    close = len(values) == len(right) and np.allclose(values, right, tolerance, tolerance * size / 10)
    is_right = status == "ok" and close
    return Finding(name, "equal" if is_right else "wrong", f"{values} {status}, is {right.tolist()}")
