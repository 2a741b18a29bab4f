"""Layers with compiled loops."""

from __future__ import annotations

from bpnet.compiled import layer_loops as loops
from bpnet.nn.arena import Array
from bpnet.nn.layers.activations import LeakyRelu, Relu, Sigmoid, Tanh
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.layers.dense import Dense
from bpnet.nn.layers.dropout import Dropout
from bpnet.nn.layers.normalization import BatchNorm, LayerNorm


class CompiledDense(Dense):
    """A dense layer whose bias is added without NumPy's detour over a buffer."""

    def add_to_rows(self, y: Array, b: Array) -> None:
        loops.add_to_rows(y, b)


class CompiledRelu(Relu):
    """A relu in one pass."""

    def forward(self, x: Array, step: Pass) -> Array:
        y = self.output_for(x)
        loops.relu(x, y, self.factor, self.zero[()])
        return y


class CompiledLeakyRelu(LeakyRelu):
    """A leaky relu in one pass."""

    def forward(self, x: Array, step: Pass) -> Array:
        y = self.output_for(x)
        loops.relu(x, y, self.factor, self.low[()])
        return y


class CompiledTanh(Tanh):
    """A tanh whose derivative takes one pass; NumPy's own tanh is fast."""

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        if not need_dx:
            return None
        loops.tanh_backward(self.y, dy, self.dx)
        return self.dx


class CompiledSigmoid(Sigmoid):
    """A sigmoid whose derivative takes one pass."""

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        if not need_dx:
            return None
        loops.sigmoid_backward(self.y, dy, self.dx)
        return self.dx


class CompiledDropout(Dropout):
    """Dropout in one pass after NumPy has drawn, so the same numbers are dropped."""

    def apply(self, x: Array) -> Array:
        loops.dropout(x, self.factor, self.threshold[()], self.scale[()], self.y)
        return self.y


class CompiledLayerNorm(LayerNorm):
    """A normalization of rows that goes over each row while it is in the cache."""

    def forward(self, x: Array, step: Pass) -> Array:
        if not self.affine:
            return super().forward(x, step)
        if len(x) != self.rows:
            self.prepare(len(x))
        matrix = x.reshape(self.m, self.k)
        loops.layer_norm(
            *(matrix, self.gamma_row, self.beta_row, self.eps[()]),
            *(self.normal, self.inverse, self.y_matrix),
        )
        return self.y

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        if not self.affine:
            return super().backward(dy, need_dx=need_dx)
        matrix = dy.reshape(self.m, self.k)
        if not self.frozen:
            loops.sums_over_rows(matrix, self.normal, self.dgamma_row, self.dbeta_row)
        if not need_dx:
            return None
        loops.layer_norm_dx(matrix, self.gamma_row, self.normal, self.inverse, self.dx_matrix)
        return self.dx


class CompiledBatchNorm(BatchNorm):
    """A normalization of columns in three passes forward and two backward."""

    def centre(self, matrix: Array) -> None:
        loops.batch_moments(matrix, self.centred, self.mean, self.variance)

    def scale(self, slope: Array) -> None:
        if self.affine:
            loops.scale_columns(self.centred, slope, self.beta_row, self.y_matrix)
        else:
            super().scale(slope)

    def sum_up(self, matrix: Array) -> None:
        loops.sums_over_rows(matrix, self.centred, self.dgamma_row, self.dbeta_row)

    def through_moments(self, matrix: Array, slope: Array) -> None:
        loops.batch_norm_dx(matrix, self.centred, self.along, self.plain, slope, self.dx_matrix)


COMPILED: dict[type[Layer], type[Layer]] = {
    Dense: CompiledDense,
    Relu: CompiledRelu,
    LeakyRelu: CompiledLeakyRelu,
    Tanh: CompiledTanh,
    Sigmoid: CompiledSigmoid,
    Dropout: CompiledDropout,
    LayerNorm: CompiledLayerNorm,
    BatchNorm: CompiledBatchNorm,
}
