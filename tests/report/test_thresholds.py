"""Curves over thresholds as they are drawn, and the cells of a confusion matrix."""

import re

import numpy as np
import pytest
from sklearn import metrics

from bpnet.report import answers, judging, matrix


def test_below_the_drawn_curve_of_precision_and_recall_lies_the_average_precision():
    rng = np.random.default_rng(5)
    positive = rng.random(60) < 0.2
    score = np.round(rng.normal(size=60) + positive, 1)
    drawn = answers._steps(judging.threshold_curves(positive, score, None)[1])
    level = (drawn.x[1:] == drawn.x[:-1]) | (drawn.y[1:] == drawn.y[:-1])
    assert level.all()  # steps: no line slants
    area = float(np.sum(np.diff(drawn.x) * drawn.y[1:]))
    assert area == pytest.approx(metrics.average_precision_score(positive, score))


@pytest.mark.parametrize(("many", "zeros"), [(2, 2), (6, 30), (7, 0)])
def test_the_empty_cells_of_a_small_confusion_matrix_say_0(many, zeros):
    names = tuple(f"class {i}" for i in range(many))
    picture = matrix.draw(names, 3 * np.eye(many), "y")
    assert len(re.findall(">0</text>", picture)) == zeros
