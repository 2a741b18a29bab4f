"""Small configs that tests of several parts begin with."""

XOR = """\
data: {train: builtin:xor, target: y, validation: 0, test: 0, numeric: {scale: none}}
model:
  layers:
    - {type: dense, units: 2}
    - {type: sigmoid}
    - {type: dense, units: 1}
loss: binary_cross_entropy
"""

IRIS = """\
data:
  train: builtin:iris
  target: species
model:
  layers:
    - {type: dense, units: 6}
    - {type: tanh}
    - {type: dense, units: auto}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.02}
training: {epochs: 3}
"""

SEARCH = """\
search:
  metric: val/accuracy
  space:
    optimizer.learning_rate: [0.1, 0.01, 0.001]
    model.layers.0.units: [3, 6]
"""
"""Goes behind `IRIS`: six points."""
