"""Measures of curvature against the operators of curvlinops, which differentiate forward over reverse."""

import warnings

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import eigsh
from torch import nn
from torch.nn.utils import parameters_to_vector

from benevolent.analysis.measures import curvature, measure_network
from benevolent.trainables import models

FORWARD_MODE = "ignore:.torch.jit.script. is deprecated:FutureWarning"  # torch's own, where it first differentiates so
pytestmark = pytest.mark.filterwarnings(FORWARD_MODE)

NETWORKS = {
    "mlp": lambda: models.mlp((6,), 4, width=12, depth=3),
    "conv": lambda: models.puzzles_cnn((1, 6, 6), 4, filters=3, kernel=3, bias="all"),
    "conv + BatchNorm": lambda: models.puzzles_bn((1, 8, 8), 4, width=2),
}
NAMES = ["sharpness", "curvature_along_path", "hessian_trace", "hessian_quantiles", "fisher_rao_norm"]


@pytest.fixture(scope="module")
def curvlinops():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".torch.jit.script. is deprecated", category=FutureWarning)
        import curvlinops

        return curvlinops


@pytest.mark.parametrize("name", NETWORKS)
def test_curvature_equals_that_of_curvlinops(name, curvlinops, monkeypatch):
    torch.manual_seed(0)
    module, init = (NETWORKS[name]().double() for _ in range(2))
    shape = (6,) if name == "mlp" else (1, 6, 6) if name == "conv" else (1, 8, 8)
    inputs, labels = torch.randn(20, *shape).double(), torch.arange(20) % 4
    module.train()(inputs)  # statistics of BatchNorm
    module.eval()
    parameters = [*module.parameters()]
    theta, start = (parameters_to_vector(one.parameters()).detach() for one in (module, init))
    monkeypatch.setattr(curvature, "PROBES", len(theta))  # trace and density are exact then
    table = measure_network(module, inputs, labels, init, NAMES)
    found = table["value"].groupby(level=0).agg(list)

    hessian, fisher = (
        kind(module, nn.CrossEntropyLoss(), parameters, [(inputs, labels)])
        for kind in (curvlinops.HessianLinearOperator, curvlinops.EFLinearOperator)
    )
    way, dense = theta - start, hessian @ torch.eye(len(theta)).double()
    eigenvalues = np.linalg.eigvalsh(dense.numpy())
    ranks = [int(np.ceil(len(theta) * fraction)) - 1 for fraction in curvature.QUANTILES]
    expected = {
        "sharpness": [eigsh(hessian.to_scipy(), k=1, which="LA")[0].item()],
        "curvature_along_path": [(way @ (hessian @ way) / (way @ way)).item()],
        "hessian_trace": [dense.trace().item()],
        "hessian_quantiles": eigenvalues[ranks].tolist(),
        "fisher_rao_norm": [(theta @ (fisher @ theta)).sqrt().item()],
    }
    assert set(table["status"]) == {"ok"}
    for one, values in expected.items():
        assert found[one] == pytest.approx(values, rel=1e-5, abs=1e-9), one
