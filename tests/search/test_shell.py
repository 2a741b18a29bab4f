"""Ask and tell."""

import json

import pytest

from bpnet.config.document import Document
from bpnet.config.schema import bind_config
from bpnet.errors import UsageError
from bpnet.search import answer, directories, shell


@pytest.fixture
def opened(plan, tmp_path):
    def make(*overrides):
        made = plan(*overrides)
        return directories.opened(made, directories.create_exactly(tmp_path / "s"))

    return make


def test_a_script_can_carry_out_a_whole_search(opened):
    seen = []
    while True:
        with opened() as found:
            asked = shell.ask(found)
            if asked.state == "over":
                break
        document = found.plan.document.without({"search"}).override(asked.assignments)
        config = bind_config(document)
        assert config.seed == asked.trial.seed
        seen.append((config.optimizer.learning_rate, config.model.layers[0].units))
        with opened() as found:
            shell.tell(found, asked.trial.number, config.optimizer.learning_rate)
            shell.refresh(found)
            answered = answer.write(found)
    assert len(set(seen)) == 6
    assert answered.rows[0].score == 0.1
    assert answered.rows[0].place == "1="
    best = bind_config(Document.read(str(found.directory / answer.BEST_CONFIG)))
    assert best.optimizer.learning_rate == 0.1
    assert not (found.directory / answer.BEST).exists()  # bpnet has trained none of them


def test_what_is_asked_is_not_asked_again_unless_wanted(opened):
    with opened() as found:
        assert [shell.ask(found).trial.number for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    with opened() as found:
        waiting = shell.ask(found)
        assert (waiting.state, waiting.waits_for) == ("wait", [1, 2, 3, 4, 5, 6])
        assert shell.ask(found, again=True).trial.number == 1


def test_what_is_told_is_kept_by_the_search_itself(opened, search, plan):
    with opened() as found:
        shell.ask(found)
        shell.tell(found, 1, 2.0)
        shell.ask(found)
        shell.tell(found, 2, None, "no luck")
        shell.ask(found)
    done = search(plan())
    assert [t.outcome.state for t in done.trials] == ["done", "failed", *["done"] * 4]
    assert done.trials[1].outcome.reason == "no luck"
    assert done.answer.best.first.number == 1
    points = json.loads((done.directory / answer.JSON).read_text())["points"]
    assert points[0]["score"] == 2.0


def test_tpe_waits_for_what_its_next_points_depend_on(opened):
    pytest.importorskip("optuna")
    chosen = "search.method={type: tpe, points: 5, startup: 2, batch: 2}"
    with opened(chosen) as found:
        first = [shell.ask(found), shell.ask(found)]
        assert shell.ask(found).state == "wait"
        for asked in first:
            shell.tell(found, asked.trial.number, 0.5)
        assert shell.ask(found).state == "ask"


def test_what_makes_no_sense_is_refused(opened):
    with opened() as found:
        shell.ask(found)
        with pytest.raises(UsageError, match="there is no trial 9"):
            shell.tell(found, 9, 0.5)
        shell.tell(found, 1, float("nan"))
        with pytest.raises(UsageError, match="over already"):
            shell.tell(found, 1, 0.5)


@pytest.mark.parametrize("method", ["halving", "hyperband"])
def test_a_search_that_pauses_trials_is_none_for_scripts(plan, method):
    with pytest.raises(UsageError, match=rf"{method} pauses trials.*only bpnet itself can"):
        shell.check(plan(f"search.method={method}"))
