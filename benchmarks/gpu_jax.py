"""The training of `gpu.py` in JAX: `vmap` over K networks, `scan` over the steps, one compiled program."""

import os
import time
from typing import Any

import numpy as np

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # torch uses the same GPU

Array = Any
#: Filters and kernel of the convolutions of Liao et al. 2018, and units of the MLP.
FILTERS, KERNEL, WIDTH, CLASSES = 24, 5, 64, 10


def step_seconds(inputs: np.ndarray, labels: np.ndarray, runs: int, batch: int, steps: int, limit: float) -> float:
    """Seconds of one step of K networks: an MLP for inputs `(N, 64)`, a conv net for images `(N, 3, 32, 32)`.

    Raises:
        ImportError: JAX is not installed.
    """
    try:
        import jax
    except ModuleNotFoundError:
        raise ImportError("jax is not installed") from None
    jnp = jax.numpy
    is_image = inputs.ndim > 2
    rng = np.random.default_rng(0)
    parameters = [_stacked(rng, shape, runs) for shape in _shapes(inputs.shape[1:], is_image)]
    velocity = [jnp.zeros_like(value) for value in parameters]
    all_inputs = jnp.asarray(inputs)
    all_labels = jnp.asarray(labels)

    def loss(own: list[Array], images: Array, targets: Array) -> Array:
        logits = _conv_logits(jax, own, images) if is_image else _mlp_logits(jnp, own, images)
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], 1).mean()

    def update(own: list[Array], memory: list[Array], index: Array) -> tuple[list[Array], list[Array]]:
        gradients = jax.grad(loss)(own, all_inputs[index], all_labels[index])
        memory = [0.9 * old + gradient for old, gradient in zip(memory, gradients, strict=True)]
        return [value - 0.05 * change for value, change in zip(own, memory, strict=True)], memory

    def step(state: Array, index: Array) -> tuple[Array, None]:
        return jax.vmap(update)(*state, index), None

    @jax.jit
    def train(state: Array, order: Array) -> Array:
        return jax.lax.scan(step, state, order)[0]

    def seconds(count: int) -> float:
        order = jnp.asarray(rng.integers(0, len(inputs), (count, runs, batch)))
        jax.block_until_ready(train((parameters, velocity), order))  # compiles
        start = time.perf_counter()
        jax.block_until_ready(train((parameters, velocity), order))
        return (time.perf_counter() - start) / count

    few = seconds(2)
    most = min(steps, int(limit / few))
    return seconds(most) if most > 2 else few


def _stacked(rng: np.random.Generator, shape: tuple[int, ...], runs: int) -> Array:
    """K copies of one normal tensor, divided by the root of its inputs."""
    import jax.numpy as jnp

    fan_in = max(1, int(np.prod(shape[1:])))
    value = jnp.asarray(rng.standard_normal(shape) / fan_in**0.5, jnp.float32)
    return jnp.broadcast_to(value, (runs, *shape)) + 0.0


def _shapes(shape: tuple[int, ...], is_image: bool) -> list[tuple[int, ...]]:
    """Weights and biases, output axis first."""
    if is_image:
        channels, height, width = shape
        sides = [side - 2 * (KERNEL - 1) for side in (height, width)]
        first = (FILTERS, channels, KERNEL, KERNEL)
        second = (FILTERS, FILTERS, KERNEL, KERNEL)
        return [first, (FILTERS,), second, (CLASSES, FILTERS * sides[0] * sides[1])]
    units = (shape[0], WIDTH, WIDTH, CLASSES)
    layers = []
    for fan_in, fan_out in zip(units, units[1:], strict=False):
        layers += [(fan_out, fan_in), (fan_out,)]
    return layers


def _mlp_logits(jnp: Any, own: list[Array], inputs: Array) -> Array:
    hidden = inputs
    for weight, bias in zip(own[:-2:2], own[1:-2:2], strict=True):
        hidden = jnp.maximum(hidden @ weight.T + bias, 0)
    return hidden @ own[-2].T + own[-1]


def _conv_logits(jax: Any, own: list[Array], images: Array) -> Array:
    first, bias, second, last = own
    hidden = jax.lax.conv(images, first, (1, 1), "VALID") + bias[:, None, None]
    hidden = jax.lax.conv(jax.nn.relu(hidden), second, (1, 1), "VALID")
    return jax.nn.relu(hidden).reshape(len(images), -1) @ last.T
