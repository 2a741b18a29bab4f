"""Digits with Keras over JAX, as a person would write it: python THIS digits.npz EPOCHS."""

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

data = np.load(sys.argv[1])
x, y, epochs = data["x"], data["y"], int(sys.argv[2])
model = keras.Sequential(
    [
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(10),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
history = model.fit(x[:1400], y[:1400], 32, epochs, verbose=0, validation_data=(x[1400:], y[1400:]))
print(round(history.history["val_accuracy"][-1], 4))
