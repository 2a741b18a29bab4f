"""Threads that share a step: the same bits as one thread that goes through the shards in turn."""

import numpy as np
import pytest

from bpnet import assembly
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Pass
from bpnet.nn.losses import LOSSES
from bpnet.nn.network import Network
from bpnet.optim.optimizers import OPTIMIZERS
from bpnet.threads import team
from bpnet.training.evaluate import evaluate
from bpnet.training.events import EpochEnd, StepEnd
from bpnet.training.fit import fit, learn
from bpnet.training.guard import Guard
from bpnet.training.replicas import SHARED_SUM, Replicas


def train(state, replicas=None, epochs=2):
    """Take all steps of some epochs; return everything that they leave, as bytes."""
    done, guard, seen = StepEnd(), Guard(state), []
    for epoch in range(epochs):
        step = Pass(train=True, rng=state.dropout)
        order, state.position = state.batches.order(epoch), 0
        while state.position < state.batches.steps:
            learn(state, order, step, done, guard, replicas)
            seen.append((done.loss, done.grad_norm))
    return seen, [array.tobytes() for array in state.arrays().values()]


SITUATIONS = {
    "dense": {},
    "dropout": {"layers": ("relu", "dropout")},
    "a norm of each row": {"layers": ("layer_norm", "gelu", "softmax")},
    "weights": {"weighted": True},
    "accumulated": {"accumulate": 2},
    "accumulated with dropout": {"accumulate": 3, "layers": ("dropout",)},
    "in order": {"shuffle": False},
    "the whole data": {"batch_size": 50},
    "float32": {"dtype": "float32"},
    "a last batch of one row": {"rows": 49},
    "small batches": {"batch_size": 2},
    "clipped": {"clip_norm": 0.1},
}


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("shared_sum", [0, SHARED_SUM])
@pytest.mark.parametrize("name", SITUATIONS)
def test_threads_change_no_bit(make_state, monkeypatch, name, shared_sum, threads):
    monkeypatch.setattr("bpnet.training.replicas.SHARED_SUM", shared_sum)
    alone, shared = (make_state(shards=threads, **SITUATIONS[name]) for _ in range(2))
    replicas = Replicas(shared, team.Team(threads))
    assert train(shared, replicas) == train(alone)


@pytest.mark.parametrize("name", SITUATIONS)
def test_shards_have_the_gradient_of_their_batch_to_rounding(make_state, name):
    if "dropout" in SITUATIONS[name].get("layers", ()):
        pytest.skip("shards draw from streams of their own")
    whole, cut = (make_state(shards=shards, **SITUATIONS[name]) for shards in (1, 2))
    tight = whole.network.arena.dtype == np.float64
    seen, again = (np.array(train(state, epochs=1)[0]) for state in (whole, cut))
    np.testing.assert_allclose(again, seen, rtol=1e-10 if tight else 1e-3)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_optimizer_s_blocks_may_be_moved_side_by_side(kind, make_state, monkeypatch):
    monkeypatch.setattr("bpnet.optim.blocks.BLOCK", 16)
    for decoupled in (False, True):
        options = {"learning_rate": 0.01, "weight_decay": 0.1}
        if kind != "adamw":
            options["decoupled_weight_decay"] = decoupled
        alone, shared = (make_state(optimizer=OPTIMIZERS[kind](**options)) for _ in range(2))
        for state, threads in ((alone, None), (shared, team.Team(3))):
            rng = np.random.default_rng(1)
            for _ in range(4):
                state.network.arena.grad[:] = rng.standard_normal(len(state.network.arena.grad))
                state.optimizer.step(0.01, threads)
        for one, other in zip(alone.arrays().values(), shared.arrays().values(), strict=True):
            assert one.tobytes() == other.tobytes()


def test_an_update_that_overflows_in_any_thread_says_so(make_state, monkeypatch):
    monkeypatch.setattr("bpnet.optim.blocks.BLOCK", 16)
    state = make_state(dtype="float32", optimizer=OPTIMIZERS["sgd"](learning_rate=1e6))
    state.network.arena.grad[:] = 0
    state.network.arena.grad[20] = 1e37  # in the second block
    with pytest.raises(Exception, match="the update of step 1 overflows float32"):
        state.optimizer.step(1e6, team.Team(2))


@pytest.mark.parametrize("kind", LOSSES)
def test_a_twin_of_a_loss_shares_no_buffer_with_it(kind):
    loss = LOSSES[kind]()
    loss.build(3)
    rng = np.random.default_rng(0)
    z = rng.standard_normal((8, 3)).astype(np.float32)
    target = rng.integers(0, 2, (8, 3)).astype(np.float32)
    if loss.target == "class":
        target = np.arange(8) % 3
    loss.forward(z, target)
    expected = loss.backward().copy()
    loss.forward(z, target)
    twin = loss.twin()
    twin.forward(z[:3] * 5, target[:3])
    twin.backward()
    assert loss.backward().tobytes() == expected.tobytes()


def test_a_replica_shares_weights_and_nothing_else():
    inner = [LAYERS["dense"](4), LAYERS["tanh"](), LAYERS["dropout"](0.5), LAYERS["dense"](5)]
    network = Network([LAYERS["residual"](inner), LAYERS["dense"]("auto")], (5,), output_size=2)
    other = network.replica()
    assert [name for name, _, _ in other.walk()] == [name for name, _, _ in network.walk()]
    for name, param in network.arena.params.items():
        twin = other.arena.params[name]
        assert np.shares_memory(param.value, twin.value)
        assert not np.shares_memory(param.grad, twin.grad)
    assert {id(layer) for _, layer, _ in network.walk()}.isdisjoint(
        id(layer) for _, layer, _ in other.walk()
    )
    x = np.ones((3, 5), np.float32)
    expected = network.forward(x, Pass()).copy()
    other.forward(x * 7, Pass())
    assert network.forward(x, Pass()).tobytes() == expected.tobytes()


def test_a_split_is_evaluated_by_all_threads_to_the_same_bits(make_state):
    state = make_state(rows=5000)
    parts = (state.network, state.loss, state.validation, state.metrics, state.target)
    assert len(state.validation) > 2 * 1024
    alone = evaluate(*parts)
    shared = evaluate(*parts, Replicas(state, team.Team(2)))
    assert (alone.scores, alone.output.tobytes()) == (shared.scores, shared.output.tobytes())


def test_a_training_shares_its_steps_where_its_batches_are_cut(make_state):
    state, again = make_state(shards=2), make_state(shards=2, epochs=2)
    events = [event for event in fit(state) if isinstance(event, StepEnd | EpochEnd)]
    assert state.replicas().team.size == 2
    steps = 2 * state.batches.steps
    alone, _ = train(again)
    assert events[-1].row["epoch"] == 6
    losses = np.array(alone)[:steps, 0].reshape(2, -1)
    sizes = np.minimum(8, 50 - 8 * np.arange(state.batches.steps))
    means = (losses * sizes).sum(1) / 50
    rows = [event.row["train/loss"] for event in events if isinstance(event, EpochEnd)]
    np.testing.assert_allclose(rows[:2], means, rtol=1e-12)


def test_only_large_steps_of_independent_rows_are_shared(monkeypatch):
    wide = [LAYERS["dense"](512), LAYERS["relu"](), LAYERS["dense"](10)]
    normed = [LAYERS["dense"](512), LAYERS["batch_norm"](), LAYERS["dense"](10)]
    large, dependent = Network(wide, (512,)), Network(normed, (512,))
    small = Network([LAYERS["dense"](10)], (512,))
    assert not assembly.worth_sharing(large, 128)  # this process computes with one thread
    monkeypatch.setattr(team, "_size", 2)
    assert assembly.worth_sharing(large, 128)
    assert not assembly.worth_sharing(large, 31)
    assert not assembly.worth_sharing(small, 128)
    assert not assembly.worth_sharing(dependent, 128)
