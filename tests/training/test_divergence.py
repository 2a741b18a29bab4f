import math

import numpy as np
import pytest

from bpnet.data.batches import Batches
from bpnet.data.dataset import Dataset
from bpnet.data.target.numbers import NumberTarget
from bpnet.errors import DivergedError
from bpnet.nn.layers import LAYERS
from bpnet.nn.losses import LOSSES
from bpnet.nn.network import Network
from bpnet.optim.optimizers import OPTIMIZERS
from bpnet.optim.regularization import Regularization
from bpnet.optim.schedules import SCHEDULES
from bpnet.training.early_stopping import Monitor
from bpnet.training.events import StepEnd
from bpnet.training.fit import fit
from bpnet.training.guard import check_finite
from bpnet.training.state import Control, TrainingState


def dense(units=1, **options):
    return LAYERS["dense"](units, **options)


def make(
    layers,
    x,
    target,
    *,
    rows=(),
    batch_size=32,
    accumulate=1,
    optimizer=None,
    regularization=None,
    **control,
):
    """Return a training of numbers in float32, in the order of the rows."""
    x, target = np.array(x, np.float32), np.array(target, np.float32)
    network = Network(layers, x.shape[1:], seed=3)
    loss = LOSSES["mse"]()
    loss.build(target.shape[1])
    data = Dataset(x, target, rows=np.array(rows, np.int64))
    batches = Batches(data, batch_size, accumulate=accumulate, shuffle=False)
    optimizer = optimizer or OPTIMIZERS["sgd"](learning_rate=0.01)
    schedule = SCHEDULES["constant"]()
    schedule.build(optimizer.learning_rate, 10**6, batches.steps)
    return TrainingState(
        network=network,
        loss=loss,
        optimizer=optimizer,
        schedule=schedule,
        batches=batches,
        control=Control(**({"epochs": 5} | control)),
        monitor=Monitor("train/loss", "min"),
        target=NumberTarget(("y",), np.zeros(1), np.ones(1)),
        regularization=regularization or Regularization(),
    )


def weigh(state, **values):
    """Fill tensors with one number each: ``dense_1_W=1.0``."""
    for name, value in values.items():
        state.network.arena.params[".".join(name.rsplit("_", 1))].value[...] = value


def message(state):
    """Train until it diverges; return what is said."""
    with pytest.raises(DivergedError) as error:
        list(fit(state))
    assert error.value.exit_code == 4
    assert str(error.value) == state.divergence.message
    return str(error.value)


def test_the_message_says_where_when_what_and_what_helps():
    state = make([dense(), dense()], np.ones((8, 2)), np.ones((8, 1)), rows=range(100, 108))
    for event in (events := fit(state)):
        if isinstance(event, StepEnd) and event.step == 2:
            loss, norm = event.loss, event.grad_norm
            break
    weigh(state, dense_1_W=1e30, dense_2_W=1e30)
    with pytest.raises(DivergedError) as error:
        list(events)
    assert str(error.value) == (
        "training diverged at step 3 (epoch 3) on a batch of 8 rows "
        "(100, 101, 102, 103, ... of the data, from 0): "
        "8 of 8 outputs of layer dense_2 are not finite, from inputs that reach 2e+30 and weights "
        f"that reach 1e+30; the step before had a loss of {loss:.3g} and a gradient norm of "
        f"{norm:.3g}; lower optimizer.learning_rate from 0.01 to 0.001, or set "
        "training.clip_norm=1"
    )


def test_one_bad_row_is_named_by_its_number_in_the_data():
    x = np.ones((8, 2))
    x[5] = 1e30
    still = OPTIMIZERS["sgd"](learning_rate=1e-60)
    layers, rows = [dense(), dense()], range(100, 108)
    state = make(layers, x, np.ones((8, 1)), rows=rows, batch_size=4, optimizer=still)
    weigh(state, dense_1_W=1e5, dense_2_W=1e5)
    said = message(state)
    assert said.startswith("training diverged at step 2 (epoch 1) on a batch of 4 rows (104, 105,")
    assert "1 of 4 outputs of layer dense_2 are not finite" in said
    assert ", all in row 105; " in said
    assert "scale the inputs, which reach 1e+30 (data.numeric.scale)" in said


def test_a_batch_of_one_row_is_called_so():
    state = make([dense()], np.full((3, 1), 1e30), np.ones((3, 1)), rows=[7, 8, 9], batch_size=1)
    weigh(state, dense_1_W=1e30)
    assert "on row 7 of the data: 1 of 1 outputs" in message(state)


def test_in_a_block_the_layer_inside_is_named():
    inner = LAYERS["residual"](layers=[dense(2, name="deep"), LAYERS["tanh"]()])
    state = make([inner, dense()], np.full((4, 2), 1e20), np.ones((4, 1)))
    state.network.arena.params["residual_1.deep.W"].value[...] = 1e20
    assert "8 of 8 outputs of layer residual_1.deep are not finite" in message(state)


def test_an_infinite_loss_of_finite_outputs_is_the_losses():
    state = make([dense()], np.ones((4, 1)), np.full((4, 1), 1e25))
    said = message(state)
    assert "the loss is inf, of outputs that reach" in said
    assert (
        "; it is the first step; scale the targets, which reach 1e+25 (data.target_scale)" in said
    )


def test_a_parameters_gradient_is_found_though_the_loss_is_finite():
    state = make([dense()], np.full((4, 1), 1e38), np.full((4, 1), -100.0))
    weigh(state, dense_1_W=1e-38)
    said = message(state)
    assert math.isfinite(state.divergence.loss)
    assert "the gradient of dense_1.W is not finite (1 of 1)" in said


def test_backwards_the_last_layer_is_where_it_began():
    layers = [dense(2), LAYERS["tanh"](), dense(2), LAYERS["identity"](), dense()]
    state = make(layers, np.ones((4, 1)), np.full((4, 1), -100.0))
    weigh(state, dense_1_W=1.0, dense_2_W=1e-37, dense_3_W=3e38)
    said = message(state)
    assert math.isfinite(state.divergence.loss)
    assert "the gradient that layer dense_3 hands down is not finite (8 of 8)" in said


def test_in_a_block_a_gradient_is_found_too():
    inner = LAYERS["residual"](layers=[dense(2)], projection=dense(2))
    x = np.full((4, 2), 1e38)
    state = make([inner, dense()], x, np.full((4, 1), -100.0))
    arena = state.network.arena
    arena.params["residual_1.dense_1.W"].value[...] = 1e-38
    arena.params["residual_1.projection.W"].value[...] = 1e-38
    arena.params["dense_1.W"].value[...] = 1.0
    assert "the gradient of residual_1.dense_1.W is not finite" in message(state)


def test_running_statistics_that_overflow_are_found_though_all_else_is_finite():
    x = np.linspace(-1e25, 1e25, 8).reshape(8, 1)
    state = make([LAYERS["batch_norm"](), dense()], x, np.ones((8, 1)))
    said = message(state)
    assert math.isfinite(state.divergence.loss)
    assert math.isfinite(state.divergence.norm)
    assert state.divergence.stage == "statistics"
    assert "batch_norm_1.running_variance is not finite (1 of 1), from inputs that reach 1e+25" in (
        said
    )
    assert np.isfinite(state.network.arena.state).all()


def test_accumulated_gradients_whose_sum_overflows_are_found():
    state = make(
        [dense(bias=False)],
        np.full((2, 1), 1e38),
        np.full((2, 1), -2.5),
        batch_size=1,
        accumulate=2,
    )
    weigh(state, dense_1_W=0.0)
    said = message(state)
    assert "on 2 batches with 2 rows (0, 1 of the data" in said
    assert "the gradient of dense_1.W is not finite (1 of 1) once all batches and" in said


def test_of_accumulated_batches_the_right_one_is_named():
    x = np.ones((6, 1))
    x[4] = 1e30
    state = make([dense(), dense()], x, np.ones((6, 1)), batch_size=2, accumulate=3)
    weigh(state, dense_1_W=1e5, dense_2_W=1e5)
    said = message(state)
    assert "on 3 batches with 6 rows (0, 1, 2, 3, ... of the data, from 0)" in said
    assert "1 of 2 outputs of layer dense_2" in said
    assert ", all in row 4; " in said
    assert state.divergence.began.batch == 2


def test_a_penalty_that_overflows_is_found():
    state = make(
        [dense(bias=False)],
        np.full((4, 1), 1e-30),
        np.ones((4, 1)),
        regularization=Regularization(l2=1e10),
    )
    weigh(state, dense_1_W=1e30)
    assert "the gradient of dense_1.W is not finite (1 of 1) once all batches and penalties" in (
        message(state)
    )


def test_weights_that_are_not_finite_before_the_step_are_named():
    state = make([dense()], np.ones((4, 1)), np.ones((4, 1)))
    weigh(state, dense_1_W=np.nan)
    assert "weights dense_1.W are not finite: 1 of 1; it is the first step; start from" in (
        message(state)
    )


@pytest.mark.parametrize(
    ("part", "row", "said"),
    [("x", 2, "1 of 4 inputs are not finite, all in row 2"), ("target", 3, "1 of 4 targets are")],
)
def test_bad_data_is_told_from_bad_training(part, row, said):
    state = make([dense()], np.ones((4, 1)), np.ones((4, 1)))
    getattr(state.batches.data, part)[row] = np.inf
    assert said in message(state)
    assert state.divergence.message.endswith("; correct these rows of the data")


def test_weights_that_start_too_large_are_the_first_steps_trouble():
    state = make([dense()], np.ones((4, 1)), np.ones((4, 1)))
    weigh(state, dense_1_W=1e25)
    assert message(state).endswith(
        "it is the first step; start from smaller weights, as they reach 1e+25 (model.init)"
    )


def test_a_rate_far_above_the_usual_is_brought_down_to_it():
    state = make(
        [dense(4), dense()],
        np.linspace(-1, 1, 64).reshape(-1, 1),
        np.ones((64, 1)),
        optimizer=OPTIMIZERS["sgd"](learning_rate=1e4),
        batch_size=8,
        clip_norm=1e30,
    )
    assert message(state).endswith(
        "lower optimizer.learning_rate from 10000 to 0.01, or lower training.clip_norm from 1e+30 "
        "to 1e+29, or let it rise slowly (schedule.warmup)"
    )


# What an update that overflows leaves behind.


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_update_that_overflows_is_taken_back(kind):
    state = make(
        [dense(bias=False)],
        np.full((4, 1), 1e35),
        np.full((4, 1), -1.0),
        optimizer=OPTIMIZERS[kind](learning_rate=1e6),
    )
    weigh(state, dense_1_W=1e-35)
    before = {name: array.copy() for name, array in state.arrays().items()}
    said = f"the update of step 1 overflows float32 (overflow encountered in multiply in {kind})"
    assert said in message(state)
    assert "though the gradient is finite (its norm is" in state.divergence.message
    assert state.divergence.stage == "update"
    after = state.arrays()
    assert after.keys() == before.keys()
    for name, array in before.items():
        assert after[name].tobytes() == array.tobytes(), name


def test_what_the_update_spoiled_is_named():
    state = make(
        [dense(bias=False)],
        np.full((4, 1), 2e38),
        np.full((4, 1), -0.5),
        optimizer=OPTIMIZERS["momentum"](learning_rate=1e-60),
    )
    weigh(state, dense_1_W=1e-39)
    said = message(state)
    assert "the update of step 2 overflows float32 (overflow encountered in add in momentum), first"
    assert "in velocity of dense_1.W" in said


def test_weights_beyond_their_norms_limit_are_taken_back():
    state = make(
        [dense(bias=False)],
        np.full((4, 1), 1e10),
        np.full((4, 1), -1e10),
        optimizer=OPTIMIZERS["sgd"](learning_rate=1e3),
        regularization=Regularization(max_norm=1),
    )
    weigh(state, dense_1_W=1e-9)
    before = state.network.arena.theta.copy()
    assert "the weights grew beyond 2e+19, though the gradient is finite" in message(state)
    np.testing.assert_array_equal(state.network.arena.theta, before)


def test_decay_that_lets_weights_grow_is_named_first():
    state = make(
        [dense(bias=False)],
        np.zeros((4, 1)),
        np.ones((4, 1)),
        optimizer=OPTIMIZERS["sgd"](learning_rate=100, weight_decay=10),
        epochs=100,
    )
    weigh(state, dense_1_W=1.0)
    said = message(state)
    assert state.divergence.stage == "update"
    assert "; lower optimizer.weight_decay from 10, or lower optimizer.learning_rate from 100" in (
        said
    )


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("rate", [0.1, 1e6])
@pytest.mark.parametrize("size", [1.0, 1e8, 1e15, 1e18, 1e19, 1e25])
def test_nothing_that_a_step_leaves_is_ever_not_finite(kind, rate, size):
    state = make(
        [dense(4), LAYERS["batch_norm"](), LAYERS["relu"](), dense()],
        np.sin(np.arange(64)).reshape(-1, 1) * size,
        np.cos(np.arange(64)).reshape(-1, 1) * size,
        batch_size=16,
        optimizer=OPTIMIZERS[kind](learning_rate=rate),
    )
    kept = None
    try:
        for event in fit(state):
            check_finite(state)
            if isinstance(event, StepEnd):
                kept = {name: array.copy() for name, array in state.arrays().items()}
    except DivergedError:
        assert state.divergence is not None
        after = state.arrays()
        for name, array in (kept or {}).items():
            if not name.startswith("best/"):
                assert after[name].tobytes() == array.tobytes(), name


# Taking a step back.


@pytest.mark.parametrize("layers", [("dropout",), ("batch_norm", "dropout"), ("batch_norm",)])
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("steps", [1, 3, 15, 16, 17, 40])
def test_a_diverged_training_stands_where_it_stood_before_the_step(
    make_state, layers, accumulate, steps
):
    state = make_state(
        layers=layers, accumulate=accumulate, rows=400, dtype="float32", batch_size=4
    )
    for event in (events := fit(state)):
        if isinstance(event, StepEnd) and event.step == steps:
            break
    bias = state.network.arena.params["dense_2.b"].value
    bias[0] = np.inf
    before, facts = {n: a.copy() for n, a in state.arrays().items()}, state.facts()
    with pytest.raises(DivergedError):
        list(events)
    after = state.arrays()
    assert all(after[name].tobytes() == array.tobytes() for name, array in before.items())
    assert state.facts() == facts | {"elapsed": state.elapsed}
    assert state.divergence.step == steps + 1
    assert state.divergence.random == facts["dropout"]


def test_the_evidence_of_a_gathered_batch_is_no_view_of_the_buffer(make_state):
    state = make_state(dtype="float32", batch_size=8)
    state.network.arena.params["dense_2.b"].value[0] = np.inf
    with pytest.raises(DivergedError):
        list(fit(state))
    (batch,), (rows,) = state.divergence.batches, state.divergence.rows
    np.testing.assert_array_equal(batch.x, state.batches.data.x[rows])
    state.batches.gather(rows[::-1].copy())
    np.testing.assert_array_equal(batch.x, state.batches.data.x[rows])


def test_layers_and_loss_are_as_before_after_they_were_watched(make_state):
    state = make_state(layers=("relu",), dtype="float32")
    state.network.arena.params["dense_2.b"].value[0] = np.inf
    with pytest.raises(DivergedError):
        list(fit(state))
    assert not any({"forward", "backward"} & vars(layer).keys() for layer in state.network.layers)
    assert not {"forward", "backward"} & vars(state.loss).keys()


# What is no divergence.


def test_a_gradient_whose_square_overflows_is_no_divergence():
    state = make(
        [dense(bias=False)],
        np.full((4, 1), 1e25),
        np.full((4, 1), -1.0),
        optimizer=OPTIMIZERS["sgd"](learning_rate=1e-55),
    )
    weigh(state, dense_1_W=0.0)
    norms = [event.grad_norm for event in fit(state) if isinstance(event, StepEnd)]
    assert norms == [pytest.approx(2e25)] * 5
    assert state.divergence is None


def test_a_large_step_that_goes_well_leaves_nothing_behind():
    state = make(
        [dense(bias=False)],
        np.full((4, 1), 1e10),
        np.full((4, 1), -1e10),
        optimizer=OPTIMIZERS["sgd"](learning_rate=1e-21),
    )
    weigh(state, dense_1_W=0.0)
    events = fit(state)
    assert [event.step for event in events if isinstance(event, StepEnd)] == [1, 2, 3, 4, 5]


# Before a save.


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        ("theta", "after step 0 dense_1.b holds"),
        ("state", "batch_norm_1.running_mean"),
        ("optimizer/v", "v of dense_1.b holds"),
        ("best/theta", "theta of dense_1.b holds"),
        ("best/state", "state of batch_norm_1.running_mean"),
    ],
)
def test_a_state_that_is_not_finite_is_not_to_be_saved(make_state, vector, said):
    state = make_state(layers=("batch_norm",), dtype="float32")
    state.keep_best()
    check_finite(state)
    arena = state.network.arena
    place = arena.params["dense_1.b"].value if "state" not in vector else arena.state
    start = (place.ctypes.data - arena.theta.ctypes.data) // 4 if "state" not in vector else 0
    state.arrays()[vector][start] = np.nan
    with pytest.raises(DivergedError, match=said):
        check_finite(state)
