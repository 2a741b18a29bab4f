"""Digits with JAX and optax, as a person would write it: python THIS digits.npz EPOCHS."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

data = np.load(sys.argv[1])
x, y, epochs = data["x"], data["y"], int(sys.argv[2])
rng = np.random.default_rng(0)
sizes = [(64, 64), (64, 32), (32, 10)]
weights = [
    (rng.normal(0, (2 / n) ** 0.5, (n, m)).astype("f4"), np.zeros(m, "f4")) for n, m in sizes
]
optimizer = optax.adam(1e-3)
moments = optimizer.init(weights)


def output(weights, x):
    for w, b in weights[:-1]:
        x = jax.nn.relu(x @ w + b)
    return x @ weights[-1][0] + weights[-1][1]


def loss(weights, x, y):
    return optax.softmax_cross_entropy_with_integer_labels(output(weights, x), y).mean()


@jax.jit
def step(weights, moments, x, y):
    updates, moments = optimizer.update(jax.grad(loss)(weights, x, y), moments)
    return optax.apply_updates(weights, updates), moments


@jax.jit
def accuracy(weights, x, y):
    return (jnp.argmax(output(weights, x), 1) == y).mean()


for _ in range(epochs):
    order = rng.permutation(1400)
    for start in range(0, 1400 - 31, 32):  # a smaller last batch would be compiled once more
        rows = order[start : start + 32]
        weights, moments = step(weights, moments, x[rows], y[rows])
    score = accuracy(weights, x[1400:], y[1400:])
print(round(float(score), 4))
