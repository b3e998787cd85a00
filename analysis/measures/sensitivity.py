"""How much the logits move with the input, and the loss with the scale and direction of the parameters."""

import torch
from torch import Tensor
from torch.func import grad, vjp
from torch.nn import functional

from analysis.measures.lanczos import largest_eigenvalue, start_vector
from analysis.measures.subject import Subject, flat, logits, shared
from trainables.losses import cross_entropy

#: Numbers in one slice of the Jacobians, so that 1,000 classes or large images do not fill the memory.
JACOBIAN_NUMBERS = 2**24


@shared
def local_lipschitz(subject: Subject) -> Tensor:
    """The spectral norms `(N,)` of the input-Jacobians of the logits, ||d f / d x||_2, at training inputs.

    One backward pass per class gives the Jacobians J exactly; their norm is the root of the largest
    eigenvalue of J J^T. The logits of one example must not depend on another one (no batch statistics).
    """
    inputs, classes = subject.train.inputs, subject.architecture.classes
    examples = max(1, JACOBIAN_NUMBERS // (classes * inputs[0].numel()))
    return torch.cat([_jacobian_norms(subject, part, classes) for part in inputs.split(examples)])


def _jacobian_norms(subject: Subject, inputs: Tensor, classes: int) -> Tensor:
    pull_back = vjp(lambda x: subject.logits_of(subject.parameters, x), inputs)[1]
    units = torch.eye(classes, dtype=inputs.dtype, device=inputs.device)
    jacobians = torch.stack([pull_back(unit.expand(len(inputs), -1))[0].flatten(1) for unit in units], 1)
    if jacobians.shape[1] > jacobians.shape[2]:
        jacobians = jacobians.mT
    return torch.linalg.eigvalsh(jacobians @ jacobians.mT)[:, -1].clamp(min=0).sqrt()


def lipschitz_mean(subject: Subject) -> Tensor:
    """The mean over the training inputs of the local Lipschitz constant ||d f / d x||_2."""
    return local_lipschitz(subject).double().mean()


def lipschitz_max(subject: Subject) -> Tensor:
    """The largest local Lipschitz constant ||d f / d x||_2 over the training inputs."""
    return local_lipschitz(subject).amax()


def fisher_rao_norm(subject: Subject) -> Tensor:
    """The Fisher-Rao norm with the training labels: sqrt(mean_i <theta, d loss_i / d theta>^2).

    <theta, d loss_i / d theta> = <p_i - e_y, J_i theta> with J_i = d f(x_i) / d theta. All J_i theta come
    from differentiating u -> <theta, sum_i J_i^T u_i>, which is linear. No homogeneity is assumed; of a
    bias-free ReLU network J_i theta is the number of layers times f(x_i) (Liang et al. 2019).
    """
    theta = dict(subject.parameters)

    def along_theta(cotangents: Tensor) -> Tensor:
        pull_back = vjp(lambda parameters: subject.logits_of(parameters, subject.train.inputs), theta)[1]
        return flat(pull_back(cotangents)[0]) @ flat(theta)

    outputs = logits(subject, "train")
    radial = grad(along_theta)(torch.zeros_like(outputs, dtype=subject.train.inputs.dtype))
    _, derivatives = cross_entropy(outputs, subject.train.labels)
    return (derivatives * radial.double()).sum(-1).square().mean().sqrt()


def sharpness(subject: Subject) -> Tensor:
    """The largest eigenvalue of the Hessian of the mean training cross-entropy, by Lanczos iteration.

    In the network's precision, over all training examples; budget and accuracy as in `largest_eigenvalue`.
    """
    theta = dict(subject.parameters)
    sizes = [value.numel() for value in theta.values()]

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        return functional.cross_entropy(subject.logits_of(parameters, subject.train.inputs), subject.train.labels)

    # The Hessian is symmetric, so the transposed product is the product, and its graph is used again.
    hessian = vjp(grad(loss), theta)[1]

    def product(vector: Tensor) -> Tensor:
        parts = zip(theta.items(), vector.split(sizes), strict=True)
        return flat(hessian({name: part.view_as(value) for (name, value), part in parts})[0])

    return largest_eigenvalue(product, start_vector(flat(theta)), subject.stacked)
