import pytest


def test_rows_are_learned_and_nothing_is_kept(bpnet, config, tmp_path):
    result = bpnet("train", config(), "--overfit", "12", "regularization.l2=1")
    assert result.out.startswith("learned 12 rows in ")
    assert "switched off for this: regularization" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_rows_that_can_not_be_learned_exit_with_6_and_a_hint(bpnet, config):
    result = bpnet("train", config(), "optimizer.learning_rate=1e-6", "--overfit", "12", code=6)
    assert result.out.startswith("did not learn 12 rows in 3000 steps")
    assert "with another learning rate it does: optimizer.learning_rate=" in result.out
    assert "c: 12 rows could not be learned by heart" in result.err


def test_weights_of_another_run_can_be_the_start(bpnet, config, trained):
    result = bpnet("train", config(), "--overfit", "12", "--init-from", trained, "--json")
    found = result.json()
    assert found["learned"] is True
    assert found["overfit"] == 12
    assert len(found["rows"]) == 12
    assert found["loss"] < 0.02 < found["constant"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["c.yaml", "--overfit", "0"], "expected 1 to 105 rows"),
        (["c.yaml", "--overfit", "4", "--dry-run"], "either --dry-run or --overfit"),
        (["--resume", "runs/x", "--overfit", "4"], "leave out --overfit"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(bpnet, config, arguments, said):
    config()
    result = bpnet("train", *arguments, code=2)
    assert said in result.err
    assert result.out == ""
