"""Parts of a config that are right by themselves and wrong together."""

import pytest

from bpnet.config.document import Document
from bpnet.errors import ConfigError
from bpnet.experiment import build

GOOD = """\
data: {train: builtin:iris, target: species}
model:
  layers:
    - {type: dense, units: 8}
    - {type: relu}
    - {type: dense, units: auto}
loss: cross_entropy
"""


def experiment(*overrides, text=GOOD):
    return build(Document.parse(text, "c.yaml").override(overrides))


def test_the_config_itself_is_right():
    assert experiment().warnings == []


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["model.layers.2=softmax"], "cross_entropy contains the softmax already .* drop this"),
        (["model.layers.2.units=4"], r"has 4 outputs, but species has 3 classes .*units: auto"),
        (["loss=mse"], "mse compares numbers, but target 'species' has the values setosa"),
        (["loss=binary_cross_entropy"], "has 3 different values; use cross_entropy"),
        (["data.target=sepal_length"], "is for classes, but target 'sepal_length' has 35"),
        (["data.target=[sepal_length, sepal_width]"], "a probability for each class"),
        (
            ["data.target=[sepal_length, sepal_width]", "loss=binary_cross_entropy"],
            "yes or no each, but 'sepal_length' has 35 different values; use mse",
        ),
        (["data.target=specie"], "no column 'specie'; did you mean 'species'"),
        (["data.exclude=[petal_lenght]"], "no column 'petal_lenght'; did you mean"),
        (["data.weight=w"], "data.weight: builtin:iris has no column 'w'"),
        (["data.weight=species"], "is the target, so it can't be the weight"),
        (["data.split={type: time, column: day}"], "data.split.column: .* no column 'day'"),
        (["data.split={type: time, column: species}"], "can't be sorted by time: 'setosa'"),
        (["data.validation=0.6", "data.test=0.5"], "leave nothing for training"),
        (["data.test=builtin:iris"], "the same source as train"),
        (["metrics=[rmse]"], "rmse does not suit a target that is a class of several"),
        (["early_stopping.monitor=val_loss"], "did you mean 'val/loss'"),
        (["early_stopping.monitor=accuracy"], "did you mean 'val/accuracy'"),
        (["early_stopping.monitor=val/loss", "data.validation=0"], "needs a validation part"),
        (["early_stopping.start_epoch=99"], "only 50 epochs"),
        (["schedule={type: step, every: 60 epochs}"], "60 epochs .* don't fit, as the training"),
        (["schedule={type: cosine, warmup: 9000}"], "9000 steps don't fit"),
        (["loss={type: cross_entropy, class_weight: {foo: 2}}"], "no class is named 'foo'"),
        (["data.columns.petal_width.encode=ordinal"], "holds numbers: expected one of"),
        (["data.stratify=true", "data.split=time"], "a split by time takes its rows as they come"),
        (["logging.wandb=online"], "expected 'offline' or null"),
        (["checkpoint.every=0"], "above 0"),
        (["training.max_time=10"], "received 10"),
    ],
)
def test_a_wrong_combination_is_refused_at_its_place(overrides, says):
    with pytest.raises(ConfigError, match=rf"(?s): error: .*{says}"):
        experiment(*overrides)


def test_an_image_needs_flatten_before_dense():
    text = "data: {train: builtin:fashion}\nmodel:\n  layers:\n    - {type: dense, units: auto}\n"
    with pytest.raises(ConfigError, match=r"c\.yaml:4:7: error: model\.layers\[0\]: .*flatten"):
        experiment(text=text + "loss: cross_entropy\n")


def test_a_residual_whose_shapes_differ_names_both_and_a_projection():
    block = "{type: residual, layers: [{type: dense, units: 5}]}"
    with pytest.raises(ConfigError, match=r"model\.layers\[1\]: .*5.*8.*projection"):
        experiment(f"model.layers.1={block}")


def test_errors_of_the_model_the_loss_and_the_schedule_come_together():
    with pytest.raises(ConfigError) as caught:
        experiment("model.layers.2.units=7", "schedule.warmup=9000", "metrics=[mae]")
    assert len(caught.value.problems) == 3


def test_mistakes_in_the_text_come_with_those_that_only_the_data_shows():
    with pytest.raises(ConfigError) as caught:
        experiment(
            "optimizer.learning_rte=0.1",
            "training.epochs=-1",
            "data.target=specie",
            "model.layers.2=softmax",
            "metrics=[rmse]",
        )
    assert len(caught.value.problems) == 5
    assert "5 errors. Options of adam" in str(caught.value)


def test_one_mistake_is_never_reported_as_two():
    for override in (
        "metrics=[acuracy]",
        "training.epochs=0",
        "optimizer.learning_rate=-1",
        "early_stopping.patience=0",
        "schedule.typ=step",
        "model.layers.0.units=-1",
        "loss=cross_entropi",
        "data.validation=2",
        "nme=x",
    ):
        with pytest.raises(ConfigError) as caught:
            experiment(
                override,
                text=GOOD
                + "early_stopping: {monitor: val/top_2}\nmetrics: [{type: top_k, k: 2}]\n"
                + "schedule: {type: step, every: 40 epochs}\n",
            )
        assert len(caught.value.problems) == 1, override


def test_errors_of_the_data_come_with_those_that_need_no_data():
    with pytest.raises(ConfigError) as caught:
        experiment(
            "data.target=specie",
            "model.layers.2=softmax",
            "early_stopping.monitor=val/acc",
        )
    assert len(caught.value.problems) == 3
    with pytest.raises(ConfigError) as caught:
        experiment("data.target=specie", "metrics=[rmse]")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["model.layers.2=dropout", "model.layers.1={type: dense, units: auto}"], "dropout as the"),
        (["early_stopping.mode=max"], "is the worst one; leave mode at auto"),
        (["model.layers.0=batch_norm", "training.batch_size=1"], "a batch of one row"),
        (
            [
                "model.layers=[{type: dense, units: auto}, relu]",
                "data.target=sepal_length",
                "loss=mse",
            ],
            "relu bounds the outputs",
        ),
        (["model.layers=[{type: dense, units: auto}, relu]"], "works from logits, which relu"),
    ],
)
def test_what_is_hardly_meant_is_a_warning_with_its_place(overrides, says):
    (warning,) = experiment(*overrides).warnings
    assert ": warning: " in warning
    assert says in warning


def test_a_text_that_can_not_be_is_said_beside_what_the_data_shows():
    text = 'name: "\\u001b[31m"\n' + GOOD.replace("units: auto", "units: 4")
    with pytest.raises(ConfigError, match=r"U\+001B can't be part of a text"):
        experiment(text=text)
