"""Two small networks worked by hand: forward, loss, backward, update."""

from __future__ import annotations

import numpy as np
import pytest

from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Pass
from bpnet.nn.losses import LOSSES
from bpnet.nn.network import Network
from bpnet.nn.rules import Backpropagation, Batch
from bpnet.optim.optimizers import OPTIMIZERS


def test_a_2_2_1_network_in_whole_numbers() -> None:
    """Two rows through dense, relu, dense and the mean squared error; every number is exact.

    ::

        W1 = [1 -1]    b1 = [0 1]    W2 = [ 2]    b2 = [-1]
             [2  1]                       [-3]

        row 1: x = (1, 2), target 5            row 2: x = (3, -1), target 2

    Forward, h = x W1 + b1:
        row 1: h = (1*1 + 2*2 + 0, -1*1 + 1*2 + 1) = (5, 2)      relu -> (5, 2)
        row 2: h = (1*3 - 2*1 + 0, -1*3 - 1*1 + 1) = (1, -3)     relu -> (1, 0)
        z = 2 r1 - 3 r2 - 1:   row 1: 10 - 6 - 1 = 3             row 2: 2 - 0 - 1 = 1

    Loss, the mean of (z - target)²:   ((3 - 5)² + (1 - 2)²) / 2 = (4 + 1) / 2 = 2.5

    Backward:
        dz = 2 (z - target) / 2 = z - target:     row 1: -2      row 2: -1
        dW2 = r' dz = (5*-2 + 1*-1, 2*-2 + 0*-1) = (-11, -4)     db2 = -2 - 1 = -3
        dr = dz W2':   row 1: (-4, 6)    row 2: (-2, 3)
        dh (0 where h <= 0):   row 1: (-4, 6)    row 2: (-2, 0)
        dW1 = x' dh:   (1*-4 + 3*-2, 1*6 + 3*0) = (-10, 6)
                       (2*-4 - 1*-2, 2*6 - 1*0) = (-6, 12)       db1 = (-6, 6)
        dx = dh W1':   row 1: (-4*1 + 6*-1, -4*2 + 6*1) = (-10, -2)
                       row 2: (-2*1 + 0*-1, -2*2 + 0*1) = (-2, -4)

    Update, theta - 0.5 gradient:
        W1 = [1 + 5  -1 - 3] = [6 -4]    b1 = [3 -2]
             [2 + 3   1 - 6]   [5 -5]
        W2 = [2 + 5.5, -3 + 2] = [7.5, -1]    b2 = -1 + 1.5 = 0.5
    """
    hidden, out = LAYERS["dense"](units=2), LAYERS["dense"](units=1)
    network = Network([hidden, LAYERS["relu"](), out], (2,), dtype="float64")
    weights = network.weights()
    weights["dense_1.W"][...] = [[1, -1], [2, 1]]
    weights["dense_1.b"][...] = [0, 1]
    weights["dense_2.W"][...] = [[2], [-3]]
    weights["dense_2.b"][...] = [-1]
    x, target = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[5.0], [2.0]])
    loss = LOSSES["mse"]()
    loss.build(1, dtype="float64")
    optimizer = OPTIMIZERS["sgd"](learning_rate=0.5)
    optimizer.bind(network.arena)

    z = network.forward(x, Pass(train=True))
    np.testing.assert_array_equal(z, [[3], [1]])

    assert loss.forward(z, target) == 2.5

    dz = loss.backward()
    np.testing.assert_array_equal(dz, [[-2], [-1]])
    dx = network.backward(dz, need_dx=True)
    gradient = {name: param.grad for name, param in network.arena.params.items()}
    np.testing.assert_array_equal(gradient["dense_2.W"], [[-11], [-4]])
    np.testing.assert_array_equal(gradient["dense_2.b"], [-3])
    np.testing.assert_array_equal(gradient["dense_1.W"], [[-10, 6], [-6, 12]])
    np.testing.assert_array_equal(gradient["dense_1.b"], [-6, 6])
    np.testing.assert_array_equal(dx, [[-10, -2], [-2, -4]])

    optimizer.step(0.5)
    np.testing.assert_array_equal(weights["dense_1.W"], [[6, -4], [5, -5]])
    np.testing.assert_array_equal(weights["dense_1.b"], [3, -2])
    np.testing.assert_array_equal(weights["dense_2.W"], [[7.5], [-1]])
    np.testing.assert_array_equal(weights["dense_2.b"], [0.5])


def test_a_published_2_2_2_network_of_sigmoids() -> None:
    """Mazur, "A step by step backpropagation example" (2015): its numbers, to its digits.

    Inputs 0.05 and 0.10, targets 0.01 and 0.99, learning rate 0.5; w1..w4 = 0.15, 0.20, 0.25, 0.30
    and b1 = 0.35 into the hidden units (w1, w2 into the first), w5..w8 = 0.40, 0.45, 0.50, 0.55 and
    b2 = 0.60 into the outputs. Its error, the sum of (target - out)² / 2, is the mean over two.

    Forward:
        net h1 = 0.15*0.05 + 0.20*0.10 + 0.35 = 0.3775        out h1 = 0.593269992
        net h2 = 0.25*0.05 + 0.30*0.10 + 0.35 = 0.3925        out h2 = 0.596884378
        net o1 = 0.40*0.593269992 + 0.45*0.596884378 + 0.60 = 1.105905967    out o1 = 0.751365070
        net o2 = 0.50*0.593269992 + 0.55*0.596884378 + 0.60 = 1.224921404    out o2 = 0.772928465
    Loss:
        (0.01 - 0.751365070)² / 2 + (0.99 - 0.772928465)² / 2 = 0.274811083 + 0.023560026
    Backward, with out (1 - out) for each sigmoid:
        d net o1 = (0.751365070 - 0.01) * 0.186815602 = 0.138498562
        d net o2 = (0.772928465 - 0.99) * 0.175510053 = -0.038098237
        d w5 = 0.138498562 * 0.593269992 = 0.082167041
        d net h1 = (0.138498562*0.40 - 0.038098237*0.50) * 0.241300709 = 0.008771355
        d w1 = 0.008771355 * 0.05 = 0.000438568
    Update:
        w5 = 0.40 - 0.5 * 0.082167041 = 0.358916480
        w1 = 0.15 - 0.5 * 0.000438568 = 0.149780716
    The source leaves its biases as they are; ours move by the gradients above.
    """
    kinds = [("dense", {"units": 2}), ("sigmoid", {})] * 2
    network = Network([LAYERS[kind](**options) for kind, options in kinds], (2,), dtype="float64")
    weights = network.weights()
    weights["dense_1.W"][...] = [[0.15, 0.25], [0.20, 0.30]]
    weights["dense_1.b"][...] = 0.35
    weights["dense_2.W"][...] = [[0.40, 0.50], [0.45, 0.55]]
    weights["dense_2.b"][...] = 0.60
    batch = Batch(np.array([[0.05, 0.10]]), np.array([[0.01, 0.99]]))
    loss = LOSSES["mse"]()
    loss.build(2, dtype="float64")
    optimizer = OPTIMIZERS["sgd"](learning_rate=0.5)
    optimizer.bind(network.arena)

    z = network.forward(batch.x, Pass(train=True))
    np.testing.assert_allclose(z, [[0.751365070, 0.772928465]], atol=5e-10)

    value = Backpropagation().gradient(network, loss, batch, Pass(train=True))
    assert value == pytest.approx(0.298371109, abs=5e-10)
    gradient = {name: param.grad for name, param in network.arena.params.items()}
    np.testing.assert_allclose(gradient["dense_2.b"], [0.138498562, -0.038098237], atol=5e-10)
    assert gradient["dense_2.W"][0, 0] == pytest.approx(0.082167041, abs=5e-10)
    assert gradient["dense_1.b"][0] == pytest.approx(0.008771355, abs=5e-10)
    assert gradient["dense_1.W"][0, 0] == pytest.approx(0.000438568, abs=5e-10)

    optimizer.step(0.5)
    np.testing.assert_allclose(
        weights["dense_2.W"], [[0.35891648, 0.51130127], [0.408666186, 0.561370121]], atol=5e-9
    )
    np.testing.assert_allclose(
        weights["dense_1.W"], [[0.149780716, 0.24975114], [0.19956143, 0.29950229]], atol=5e-9
    )
