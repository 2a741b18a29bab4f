import numpy as np
import pytest

from bpnet import api
from bpnet import model as models
from bpnet.data.dataset import Dataset
from bpnet.errors import UsageError
from bpnet.insight import chosen_rows, importance

CONFIGS = {
    "class": """\
data: {train: 'builtin:penguins', target: species, exclude: [island]}
model: {layers: [{type: dense, units: 16}, {type: relu}, {type: dense, units: auto}]}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.01}
training: {epochs: 30}
""",
    "number": """\
data: {train: 'builtin:concrete', target: compressive_strength}
model: {layers: [{type: dense, units: 16}, {type: tanh}, {type: dense, units: auto}]}
loss: mse
optimizer: {type: adam, learning_rate: 0.01}
training: {epochs: 20}
""",
    "binary": """\
data: {train: 'builtin:spirals', target: y}
model: {layers: [{type: dense, units: 16}, {type: tanh}, {type: dense, units: 1}]}
loss: binary_cross_entropy
training: {epochs: 5}
""",
    "image": """\
data: {train: 'builtin:fashion_test'}
model: {layers: [{type: flatten}, {type: dense, units: auto}]}
loss: cross_entropy
training: {epochs: 1}
""",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a function that trains a small model once."""
    folder = tmp_path_factory.mktemp("runs")
    made = {}

    def train(name):
        if name not in made:
            (folder / f"{name}.yaml").write_text(CONFIGS[name])
            run = api.train(folder / f"{name}.yaml", runs_root=folder / "runs")
            made[name] = run.directory
        return models.load(made[name])

    return train


def test_columns_of_categories_are_one_column(trained):
    model = trained("class")
    groups = importance.source_columns(model.features)
    assert list(groups) == list(model.features.columns)
    assert sorted(i for group in groups.values() for i in group) == list(range(7))
    assert len(groups["sex"]) == 3
    assert [model.features.names[i] for i in groups["sex"]] == [
        "sex=female",
        "sex=male",
        "sex=(missing)",
    ]


@pytest.mark.parametrize("name", ["class", "number"])
def test_permutation_equals_scikit_learns(trained, name):
    inspection = pytest.importorskip("sklearn.inspection")
    base = pytest.importorskip("sklearn.base")
    model = trained(name)
    _, dataset, _ = chosen_rows.chosen_dataset(model, "train")
    groups = importance.source_columns(model.features)
    source = np.arange(len(dataset), dtype=float)

    class Wrapped(base.BaseEstimator):
        """A column of row numbers for each source column; shuffling it shuffles its inputs."""

        def fit(self, x, y):
            return self

        def predict(self, numbers):
            x = dataset.x.copy()
            for i, inputs in enumerate(groups.values()):
                x[:, inputs] = dataset.x[np.ix_(numbers[:, i].astype(int), inputs)]
            z = model.loss.predict(model.network.predict(x))
            return z.argmax(axis=1) if name == "class" else z[:, 0]

    repeats = 30
    theirs = inspection.permutation_importance(
        Wrapped(),
        np.stack([source] * len(groups), axis=1),
        dataset.target.reshape(len(dataset)),
        scoring="accuracy" if name == "class" else "r2",
        n_repeats=repeats,
        random_state=0,
    )
    metric = "accuracy" if name == "class" else "r2"
    ours = importance.permutation(model, dataset, metric=metric, repeats=repeats)
    found = {c.column: c for c in ours.columns}
    for i, column in enumerate(groups):
        error = np.hypot(theirs.importances_std[i], found[column].spread) / np.sqrt(repeats)
        assert found[column].importance == pytest.approx(
            theirs.importances_mean[i], abs=4 * error + 1e-6
        )
        assert found[column].spread == pytest.approx(theirs.importances_std[i], rel=0.8, abs=1e-3)


def test_permutation_is_the_drop_of_the_metric_and_the_rise_of_an_error(trained):
    model = trained("number")
    _, dataset, _ = chosen_rows.chosen_dataset(model, None)
    error = importance.permutation(model, dataset, metric="rmse")
    fit = importance.permutation(model, dataset, metric="r2")
    assert (error.mode, fit.mode) == ("min", "max")
    assert error.columns[0].importance > 0
    assert fit.columns[0].importance > 0
    assert error.columns[0].column == fit.columns[0].column
    loss = importance.permutation(model, dataset, metric="loss")
    assert (loss.metric, loss.mode) == ("loss", "min")


def test_permutation_leaves_data_and_model_as_they_were_and_is_repeatable(trained):
    model = trained("class")
    _, dataset, _ = chosen_rows.chosen_dataset(model, None)
    x, weights = dataset.x.copy(), {n: w.copy() for n, w in model.weights.items()}
    first = importance.permutation(model, dataset)
    np.testing.assert_array_equal(dataset.x, x)
    for name, tensor in model.weights.items():
        np.testing.assert_array_equal(tensor, weights[name])
    assert importance.permutation(model, dataset).as_json() == first.as_json()
    assert importance.permutation(model, dataset, seed=1).as_json() != first.as_json()


def test_a_column_that_the_network_ignores_has_no_importance(trained):
    model = trained("class")
    model.weights["dense_1.W"][0] = 0
    name = model.features.names[0]
    _, dataset, _ = chosen_rows.chosen_dataset(model, None)
    for found in (
        importance.permutation(model, dataset),
        importance.gradients(model, dataset.x),
    ):
        (own,) = [c for c in found.columns if c.column == name]
        assert own.importance == 0.0


@pytest.mark.parametrize("name", ["class", "number", "binary"])
def test_gradients_equal_differences_of_the_output(trained, name):
    model = trained(name)
    _, dataset, _ = chosen_rows.chosen_dataset(model, "test")
    x = dataset.x[:20]
    deviation = x.std(axis=0, dtype=float)
    z = model.network.predict(x)
    chosen = z.argmax(axis=1)

    def output(x):
        z = model.network.predict(x).astype(float)
        if name == "class":
            return z[np.arange(len(z)), chosen] - z.mean(axis=1)
        return z[:, 0]

    slopes = np.zeros(x.shape)
    for i in range(x.shape[1]):
        step = np.zeros(x.shape[1], np.float32)
        step[i] = 1e-3
        slopes[:, i] = (output(x + step) - output(x - step)) / 2e-3
    groups = importance.source_columns(model.features)
    found = {c.column: c.importance for c in importance.gradients(model, x).columns}
    for column, inputs in groups.items():
        moved = slopes[:, inputs] * deviation[inputs]
        expected = np.sqrt((moved**2).sum(axis=1)).mean()
        assert found[column] == pytest.approx(expected, rel=0.02, abs=2e-3)


def test_gradients_of_images_are_a_picture(trained):
    model = trained("image")
    _, dataset, _ = chosen_rows.chosen_dataset(model, None)
    found = importance.gradients(model, dataset.x)
    assert found.picture.shape == (28, 28, 1)
    assert len(found.columns) == 784
    top = found.columns[0]
    place = tuple(int(k) for k in top.column.strip("[]").split(","))
    assert found.picture[place] == top.importance == found.picture.max()
    assert found.arrays()["importance"] is found.picture


def test_permutation_of_images_and_of_one_row_is_refused(trained):
    model = trained("image")
    _, dataset, _ = chosen_rows.chosen_dataset(model, None)
    with pytest.raises(UsageError, match="use --importance gradient"):
        importance.permutation(model, dataset)
    model = trained("class")
    _, dataset, _ = chosen_rows.chosen_dataset(model, None)
    with pytest.raises(UsageError, match="one row"):
        importance.permutation(model, Dataset(dataset.x[:1], dataset.target[:1]))


def test_a_metric_that_does_not_suit_is_refused_with_the_nearest_name(trained):
    model = trained("number")
    _, dataset, _ = chosen_rows.chosen_dataset(model, None)
    with pytest.raises(UsageError, match="did you mean 'rmse'"):
        importance.permutation(model, dataset, metric="rsme")
    with pytest.raises(UsageError, match="'accuracy' is none that suits"):
        importance.permutation(model, dataset, metric="accuracy")


def test_very_many_rows_are_sampled_and_the_report_says_so(trained, monkeypatch):
    monkeypatch.setattr(importance.columns, "SAMPLED", 20)
    model = trained("class")
    _, dataset, _ = chosen_rows.chosen_dataset(model, None)
    for found in (
        importance.permutation(model, dataset),
        importance.gradients(model, dataset.x),
    ):
        assert (found.rows, found.of) == (20, len(dataset))


def test_the_table_goes_out_as_csv_and_arrays(trained):
    model = trained("class")
    _, dataset, _ = chosen_rows.chosen_dataset(model, None)
    found = importance.permutation(model, dataset, repeats=3)
    lines = found.csv().splitlines()
    assert lines[0] == "column,importance,spread"
    assert len(lines) == 6
    arrays = found.arrays()
    assert arrays["columns"].tolist() == [line.split(",")[0] for line in lines[1:]]
    assert arrays["spread"].shape == (5,)
