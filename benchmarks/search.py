"""One grid of 48 points on digits: one worker, two, scikit-learn and optuna, side by side.

``python benchmarks/search.py [--rounds N]`` prints the median time of each, ratios, best scores.
All train a dense network with 64 inputs, one hidden layer and Adam for as many epochs on the same
rows; scikit-learn's and bpnet's scores are of the same validation rows.
"""

import argparse
import importlib.util
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

CONFIG = """\
data: {{train: builtin:digits, target: digit, validation: 0.2, test: 0.2}}
model:
  layers:
    - {{type: dense, units: 64}}
    - {{type: relu}}
    - {{type: dense, units: auto}}
loss: cross_entropy
optimizer: {{type: adam, learning_rate: 3e-3}}
training: {{epochs: {epochs}, batch_size: 32}}
regularization: {{l2: 1e-4}}
metrics: [accuracy]
search:
  metric: val/accuracy
  space:
    optimizer.learning_rate: {rates}
    model.layers.0.units: {units}
    training.batch_size: {batches}
    regularization.l2: {decays}
"""
EPOCHS = 30
RATES, UNITS, BATCHES, DECAYS = [1e-3, 3e-3, 1e-2, 3e-2], [32, 64, 128], [32, 64], [1e-4, 1e-2]


def config():
    return CONFIG.format(epochs=EPOCHS, rates=RATES, units=UNITS, batches=BATCHES, decays=DECAYS)


def bpnet(folder, workers):
    """Return the seconds of a whole command, and its best score."""
    place = folder / f"search-{workers}-{time.monotonic_ns()}"
    began = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, "-m", "bpnet", "gridsearch", "digits.yaml", "-q"),
            *("-j", str(workers), "--run-dir", str(place)),
        ],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - began
    best = (place / "leaderboard.csv").read_text().splitlines()[1]
    header = (place / "leaderboard.csv").read_text().splitlines()[0].split(",")
    return seconds, float(best.split(",")[header.index("val/accuracy")])


def rows(folder):
    from bpnet.config.document import Document
    from bpnet.experiment import build

    data = build(Document.read(str(folder / "digits.yaml")).without({"search"})).data.datasets
    return data["train"], data["val"]


def scikit_learn(folder, jobs):
    """Return the seconds of a GridSearchCV over the same grid and rows, and its best score."""
    import warnings

    import numpy as np
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.neural_network import MLPClassifier

    train, val = rows(folder)
    x = np.concatenate([train.x, val.x])
    y = np.concatenate([train.target, val.target])
    split = PredefinedSplit([-1] * len(train) + [0] * len(val))
    grid = {
        "learning_rate_init": RATES,
        "hidden_layer_sizes": [(units,) for units in UNITS],
        "batch_size": BATCHES,
        "alpha": DECAYS,
    }
    network = MLPClassifier(max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=0)
    began = time.perf_counter()
    os.environ["PYTHONWARNINGS"] = "ignore"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = GridSearchCV(network, grid, cv=split, n_jobs=jobs, refit=False).fit(x, y)
    return time.perf_counter() - began, float(search.best_score_)


def optuna(folder):
    """Return the seconds of optuna's grid over bpnet's own training, in one process."""
    import optuna as library

    from bpnet.config.document import Document
    from bpnet.experiment import build
    from bpnet.training.fit import fit

    library.logging.set_verbosity(library.logging.ERROR)
    document = Document.read(str(folder / "digits.yaml")).without({"search"})
    space = {
        "optimizer.learning_rate": RATES,
        "model.layers.0.units": UNITS,
        "training.batch_size": BATCHES,
        "regularization.l2": DECAYS,
    }
    shared = build(document).data

    def objective(trial):
        values = [f"{key}={trial.suggest_categorical(key, v)}" for key, v in space.items()]
        experiment = build(document.override(values), lambda config, place: shared)
        rows = [e.row["val/accuracy"] for e in fit(experiment.state) if hasattr(e, "row")]
        return max(rows)

    began = time.perf_counter()
    study = library.create_study(
        direction="maximize", sampler=library.samplers.GridSampler(space, seed=0)
    )
    study.optimize(objective, n_trials=len(list(itertools.product(*space.values()))))
    return time.perf_counter() - began, study.best_value


def main():
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # before NumPy is imported
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    absent = [name for name in ("sklearn", "optuna") if importlib.util.find_spec(name) is None]
    if absent:
        raise SystemExit(f"skipped: {', '.join(absent)} not installed beside bpnet")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "digits.yaml").write_text(config())
        subjects = {
            "bpnet -j 1": lambda: bpnet(folder, 1),
            "bpnet -j 2": lambda: bpnet(folder, 2),
            "GridSearchCV(n_jobs=1)": lambda: scikit_learn(folder, 1),
            "GridSearchCV(n_jobs=2)": lambda: scikit_learn(folder, 2),
            "optuna, bpnet's training": lambda: optuna(folder),
        }
        found = {name: [] for name in subjects}
        for _ in range(rounds):
            for name, run in subjects.items():
                found[name].append(run())
    one = median(seconds for seconds, _ in found["bpnet -j 1"])
    for name, runs in found.items():
        seconds = median(seconds for seconds, _ in runs)
        print(f"{name:26} {seconds:7.2f} s  {one / seconds:5.2f} x  best {runs[0][1]:.4f}")


if __name__ == "__main__":
    main()
