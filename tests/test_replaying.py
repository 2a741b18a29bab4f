import copy
import random

import numpy as np
import pytest

from bpnet import replaying
from bpnet.config.document import Document
from bpnet.errors import ConfigError, DivergedError, RunError
from bpnet.experiment import build
from bpnet.optim.optimizers import OPTIMIZERS
from bpnet.runs import tensors
from bpnet.training.fit import fit

BASE = """\
data:
  train: builtin:iris
  target: sepal_length
model:
  layers:
    - {type: dense, units: 8}
    - {type: relu}
    - {type: dense, units: auto}
loss: mse
optimizer: {type: sgd, learning_rate: 1e4}
training: {epochs: 50}
"""

CASES = {
    "plain": [],
    "float64": ["dtype=float64"],
    "dropout": ["model.layers.1={type: dropout, rate: 0.3}"],
    "dropout, steps later": ["model.layers.1={type: dropout}", "optimizer.learning_rate=0.9"],
    "batch norm": ["model.layers.1={type: batch_norm}", "data.target_scale=none"],
    "layer norm": ["model.layers.1={type: layer_norm}"],
    "block": [
        "model.layers.1={type: residual, layers: [{type: dense, units: 8}, {type: dropout}, "
        "{type: batch_norm}]}"
    ],
    "accumulation": ["training.accumulate=3", "training.batch_size=10"],
    "accumulation, dropout": ["training.accumulate=3", "model.layers.1={type: dropout}"],
    "odd last batch": ["training.accumulate=100", "training.batch_size=10"],
    "one row": ["training.batch_size=1"],
    "all rows": ["training.batch_size=full"],
    "own order": ["training.shuffle=false", "training.batch_size=7"],
    "own order, accumulation": ["training={shuffle: false, batch_size: 7, accumulate: 2}"],
    "penalties": ["regularization={l1: 0.1, l2: 0.1}"],
    "clipping": ["training.clip_norm=1e30", "training.clip_value=1e30"],
    "cap": ["regularization={max_norm: 2}", "model.init={type: constant, value: 1e19}"],
    "huber": ["loss=huber", "model.init={type: normal, std: 1e20}"],
    "classes": [
        "data.target=species",
        "loss={type: cross_entropy, class_weight: balanced, label_smoothing: 0.1}",
        "model.init={type: normal, std: 1e20}",
    ],
    "class weights": [
        "data.target=species",
        "loss={type: cross_entropy, class_weight: {setosa: 3}}",
        "model.init={type: normal, std: 1e20}",
    ],
    "schedule": ["schedule={type: cosine, warmup: 10}"],
    "frozen": ["model.freeze=[dense_1]"],
}


def experiment(text=BASE, overrides=(), name="<config>"):
    return build(Document.parse(text, name).override(overrides))


def diverge(made, folder):
    """Train until it diverges; return the file that is left."""
    with pytest.raises(DivergedError) as error:
        list(fit(made.state))
    path = replaying.save(made, folder)
    assert path == folder / "diverged.safetensors", error.value
    return path


@pytest.mark.parametrize("overrides", CASES.values(), ids=CASES)
def test_a_step_that_diverged_is_the_same_to_the_last_bit(overrides, tmp_path):
    made = experiment(overrides=overrides)
    path = diverge(made, tmp_path)
    again = replaying.replay(path)
    assert again.differences == []
    assert again.changed == []
    assert again.found.message == made.state.divergence.message
    assert repr(again.seen) == repr(made.state.divergence.seen)
    assert again.began is not None or again.found.stage == "update"


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("steps", [1, 4])
def test_an_update_that_overflows_is_the_same_to_the_last_bit(kind, steps, tmp_path):
    made = experiment(overrides=[f"optimizer={{type: {kind}}}", "training.batch_size=full"])
    events = fit(made.state)
    while made.state.step < steps - 1:
        next(events)
    made.state.optimizer.learning_rate = 1.0
    made.state.schedule.base = 1e300
    with pytest.raises(DivergedError):
        list(events)
    assert made.state.divergence.stage == "update"
    assert made.state.divergence.step == steps
    again = replaying.replay(replaying.save(made, tmp_path))
    assert again.differences == []
    assert again.found.optimizer.keys() == made.state.optimizer.state().keys()


def test_neither_data_nor_config_is_needed(tmp_path):
    data, config = tmp_path / "d.csv", tmp_path / "c.yaml"
    lines = [f"{i % 7},{i % 5},{i % 3},{1 + i % 2}" for i in range(60)]
    data.write_text("\n".join(["a,b,y,w", *lines]) + "\n")
    config.write_text(
        BASE.replace("builtin:iris", "d.csv").replace("sepal_length", "y\n  weight: w")
    )
    made = build(Document.read(str(config)))
    path = diverge(made, tmp_path)
    assert made.state.divergence.batches[0].weight is not None
    data.unlink()
    config.unlink()
    assert replaying.replay(path).differences == []


def test_the_rows_are_those_of_the_source(tmp_path):
    made = experiment()
    path = diverge(made, tmp_path)
    (rows,) = replaying.replay(path).found.rows
    data = made.data.datasets["train"]
    np.testing.assert_array_equal(np.isin(rows, data.rows), True)
    where = [int(np.flatnonzero(data.rows == row)[0]) for row in rows]
    np.testing.assert_array_equal(made.state.divergence.batches[0].x, data.x[where])


def test_a_training_that_did_not_diverge_leaves_nothing(tmp_path):
    made = experiment(overrides=["optimizer.learning_rate=0.01", "training.epochs=1"])
    list(fit(made.state))
    assert replaying.save(made, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    layers = "[{type: dense, units: 3}, {type: dropout}, {type: batch_norm}, {type: dense, "
    training = "training={accumulate: 2, batch_size: 4}"
    made = experiment(overrides=[f"model.layers={layers}units: auto}}]", training])
    return tensors.read(diverge(made, folder), replaying.KIND)


def written(file, path, **changes):
    arrays, facts = dict(file.arrays), copy.deepcopy(file.facts)
    for name, value in changes.items():
        target = arrays if name in arrays else facts
        if value is None:
            del target[name]
        else:
            target[name] = value
    tensors.write(path, replaying.KIND, arrays, facts)
    return path


def test_other_weights_are_noticed(bundle, tmp_path):
    path = written(bundle, tmp_path / "d", theta=np.zeros_like(bundle.arrays["theta"]))
    again = replaying.replay(path)
    assert again.differences == ["loss, gradient and update are finite now"]
    assert again.seen == []


def test_a_single_bit_of_the_gradient_is_noticed(bundle, tmp_path):
    gradient = bundle.arrays["gradient"].copy()
    gradient.view(np.uint32)[3] ^= 1
    again = replaying.replay(written(bundle, tmp_path / "d", gradient=gradient))
    assert again.differences == [f"1 of {gradient.size} numbers of the gradient differ"]


def test_another_loss_is_noticed(bundle, tmp_path):
    numbers = bundle.arrays["numbers"].copy()
    numbers[0] = 1.5
    (difference,) = replaying.replay(written(bundle, tmp_path / "d", numbers=numbers)).differences
    assert difference.startswith("the loss was 1.5 and is ")


def test_another_stream_gives_another_step(bundle, tmp_path):
    random = copy.deepcopy(bundle.facts["random"])
    random["state"]["state"] += 12345
    assert replaying.replay(written(bundle, tmp_path / "d", random=random)).differences


def test_another_environment_is_named(bundle, tmp_path):
    environment = copy.deepcopy(bundle.facts["environment"]) | {"threads": 99}
    environment["versions"]["numpy"] = "1.0"
    changed = replaying.replay(written(bundle, tmp_path / "d", environment=environment)).changed
    assert len(changed) == 2
    assert changed[0].startswith("threads 99 -> ")
    assert changed[1].startswith("numpy 1.0 -> ")


def outcome(path):
    """Return the replay of a file, or the refusal, which names the file."""
    try:
        return replaying.replay(path)
    except RunError as error:
        refusal = str(error)
    assert refusal.startswith(f"{path}: ")
    return refusal


BAD = [None, 0, -1, 10**30, 1.5, "x", [], {}, True, [1], {"a": 1}, "nan"]


@pytest.mark.parametrize("value", BAD, ids=repr)
def test_facts_that_fit_nothing_are_refused(bundle, tmp_path, value):
    for name in bundle.facts:
        found = outcome(written(bundle, tmp_path / "d", **{name: value}))
        if not isinstance(found, str):
            known = ("message", "reason", "step", "epoch", "environment")
            assert name in known or (name, value) == ("shards", None)  # older files have none


def test_arrays_that_fit_nothing_are_refused(bundle, tmp_path):
    for name, array in bundle.arrays.items():
        others = [None, array[:-1], array.ravel()[:0], array[None], array.view(np.uint8)]
        others += [np.array(3.0), np.concatenate([array, array])]
        for other in others:
            found = outcome(written(bundle, tmp_path / "d", **{name: other}))
            assert isinstance(found, str) or found.differences, (name, other)


def test_numbers_that_mean_nothing_are_no_crash(bundle, tmp_path):
    for name, array in bundle.arrays.items():
        values = [-1, 2**62] if array.dtype.kind == "i" else [np.nan, np.inf, -1, 1e38, 0]
        for value in values:
            outcome(written(bundle, tmp_path / "d", **{name: np.full_like(array, value)}))


def test_what_is_no_divergence_is_refused(tmp_path):
    with pytest.raises(RunError, match="no such file"):
        replaying.replay(tmp_path / "nothing")
    with pytest.raises(RunError, match="not a run directory"):
        replaying.replay(tmp_path)
    path = tmp_path / "m"
    tensors.write(path, "model", {"a": np.zeros(1)}, {})
    with pytest.raises(RunError, match="expected a divergence file, found a model file"):
        replaying.replay(path)


def any_config(seed):
    """Return one of very many configs, most of which diverge at once."""
    choose = random.Random(seed)
    plain = ["relu", "gelu", "elu", "tanh", "sigmoid", "swish", "softplus", "softmax", "dropout"]
    plain += ["batch_norm", "layer_norm", "leaky_relu"]
    layers = []
    for _ in range(choose.randint(1, 4)):
        kind = choose.choice([*plain, "dense", "dense", "residual"])
        if kind == "dense":
            layers.append(f"{{type: dense, units: {choose.choice([3, 8, 17, 64])}}}")
        elif kind == "residual":
            inner = choose.choice(plain)
            layers.append("{type: dense, units: 8}")
            layers.append(
                f"{{type: residual, layers: [{{type: dense, units: 8}}, {{type: {inner}}}]}}"
            )
        else:
            layers.append(f"{{type: {kind}}}")
    target, loss = choose.choice(
        [
            ("sepal_length", "mse"),
            ("sepal_length", "mae"),
            ("sepal_length", "huber"),
            ("species", "{type: cross_entropy, class_weight: balanced, label_smoothing: 0.1}"),
        ]
    )
    return f"""\
seed: {seed}
dtype: {choose.choice(["float32", "float32", "float64"])}
data:
  train: builtin:iris
  target: {target}
  target_scale: {choose.choice(["standard", "none"])}
model:
  init: {{type: normal, std: {choose.choice([0.1, 1, 1e3, 1e10, 1e18, 1e30])}}}
  layers: [{", ".join(layers)}, {{type: dense, units: auto}}]
loss: {loss}
optimizer:
  type: {choose.choice(list(OPTIMIZERS))}
  learning_rate: {choose.choice([0.1, 1e3, 1e6])}
  weight_decay: {choose.choice([0, 0, 1e-3, 1e3, 1e20])}
regularization:
  l1: {choose.choice([0, 0, 1e-3])}
  l2: {choose.choice([0, 0, 0.1, 1e6])}
  max_norm: {choose.choice([0, 0, 3])}
training:
  epochs: 4
  batch_size: {choose.choice([1, 7, 16, 32, "full"])}
  accumulate: {choose.choice([1, 1, 2, 3])}
  shuffle: {choose.choice(["true", "false"])}
  clip_norm: {choose.choice(["null", "null", 5, 1e30])}
  clip_value: {choose.choice(["null", "null", 1.0])}
"""


def replay_any(seed, folder):
    """Train by a config; say whether it diverged, and was the same once more."""
    try:
        made = experiment(any_config(seed))
    except ConfigError:
        return False
    try:
        list(fit(made.state))
    except DivergedError:
        found = made.state.divergence
        assert found is not None, seed
        assert found.began is not None or found.stage == "update", seed
        assert replaying.replay(replaying.save(made, folder)).differences == [], seed
        return True
    return False


def test_whatever_diverges_is_the_same_to_the_last_bit(tmp_path):
    assert sum(replay_any(seed, tmp_path) for seed in range(60)) > 15


@pytest.mark.faults
def test_whatever_diverges_is_the_same_to_the_last_bit_two_thousand_times(tmp_path):
    assert sum(replay_any(seed, tmp_path) for seed in range(1000, 3000)) > 500
