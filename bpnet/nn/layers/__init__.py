"""All layers by the name that they have in YAML: the one table of names."""

from __future__ import annotations

from bpnet.nn.layers.activations import (
    Elu,
    Identity,
    LeakyRelu,
    Relu,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)
from bpnet.nn.layers.base import Layer
from bpnet.nn.layers.dense import Dense
from bpnet.nn.layers.dropout import Dropout
from bpnet.nn.layers.gated import Gelu, Swish
from bpnet.nn.layers.normalization import BatchNorm, LayerNorm
from bpnet.nn.layers.residual import Residual
from bpnet.nn.layers.shaping import Flatten, Reshape

LAYERS: dict[str, type[Layer]] = {
    "dense": Dense,
    "relu": Relu,
    "leaky_relu": LeakyRelu,
    "elu": Elu,
    "gelu": Gelu,
    "swish": Swish,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "softplus": Softplus,
    "softmax": Softmax,
    "identity": Identity,
    "dropout": Dropout,
    "batch_norm": BatchNorm,
    "layer_norm": LayerNorm,
    "flatten": Flatten,
    "reshape": Reshape,
    "residual": Residual,
}

for _name, _layer in LAYERS.items():
    _layer.type = _name
