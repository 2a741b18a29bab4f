"""Looking on leaves nothing behind."""

from bpnet.nn.watching import shadowed, tensors_of


class Thing:
    def say(self):
        return "plain"


def test_a_method_is_another_one_only_for_a_while():
    thing = Thing()
    with shadowed(thing, say=lambda: "other"):
        assert thing.say() == "other"
    assert thing.say() == "plain"
    assert vars(thing) == {}


def test_whoever_looked_on_before_looks_on_afterwards():
    thing = Thing()
    with shadowed(thing, say=lambda: "first"):
        with shadowed(thing, say=lambda: "second"):
            assert thing.say() == "second"
        assert thing.say() == "first"
    assert vars(thing) == {}


def test_an_error_leaves_nothing_behind_either():
    thing = Thing()
    try:
        with shadowed(thing, say=lambda: "other"):
            raise KeyError
    except KeyError:
        assert thing.say() == "plain"
    assert vars(thing) == {}


def test_a_layer_has_its_own_tensors_but_not_those_of_layers_inside_it():
    named = {"a.W": 1, "a.b": 2, "block_1.a.W": 3, "block_1.s": 4, "ab.W": 5}
    assert tensors_of("a", named) == {"W": 1, "b": 2}
    assert tensors_of("block_1", named) == {"s": 4}
    assert tensors_of("block_1.a", named) == {"W": 3}
