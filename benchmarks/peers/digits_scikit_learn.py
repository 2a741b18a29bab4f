"""Digits with scikit-learn, as a person would write it: python THIS digits.npz EPOCHS."""

import sys
import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier

warnings.simplefilter("ignore")
data = np.load(sys.argv[1])
x, y, epochs = data["x"], data["y"], int(sys.argv[2])
model = MLPClassifier(
    (64, 32), batch_size=32, learning_rate_init=1e-3, max_iter=epochs, n_iter_no_change=epochs
)
model.fit(x[:1400], y[:1400])
print(round(float(model.score(x[1400:], y[1400:])), 4))
