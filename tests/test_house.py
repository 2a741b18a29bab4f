"""The plan of the house: imports go down only, and third parties each have one door."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "bpnet"

FLOORS = [
    {"errors", "options", "streams", "threads"},
    {"nn"},
    {"optim"},
    {"compiled"},
    {"data"},
    {"training"},
    {"runs"},
    {"config"},
    {"preparation", "combinations", "roles", "assembly", "foresight"},
    {"experiment", "drafting", "trackers"},
    {"model"},
    {"scoring", "predictions", "session", "fine_tuning", "replaying"},
    {"resuming"},
    {"reproducing"},
    {"collection", "exporting", "insight", "report", "search"},
    {"api"},
    {"cli"},
]
"""From the ground up: a room imports its own floor and those below."""

DOORS = {
    "optuna": {"search/methods/tpe.py"},
    "distributed": {"search/crews.py"},
    "mpi4py": {"search/crews.py"},
    "sqlite3": {"search/store.py"},
    "typer": {"cli"},
    "rich": {"cli/console.py"},
    "yaml": {"config/parse.py"},
    "safetensors": set(),
    "wandb": {"trackers/wandb.py"},
    "numba": {"compiled/loops.py"},
    "onnx": {"exporting/graph.py"},
    "onnxruntime": {"exporting/comparison.py"},
    "numpy": {
        "nn",
        "optim",
        "data",
        "training",
        "runs",
        "insight",
        "report",
        "streams.py",
        "model.py",
        "predictions",
        "drafting",
    }
    | {"preparation.py", "roles.py", "reproducing.py", "search/methods", "exporting", "trackers"},
}

FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path, top_level_only=False):
    """Yield what a file imports at run time (imports for type checkers are left out)."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in tree.body if top_level_only else ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "bpnet":
                yield from (f"bpnet.{alias.name}" for alias in node.names)
            else:
                yield node.module


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_room_has_its_floor():
    rooms = {room(path) for path in FILES} - {"__init__", "__main__"}
    assert rooms == set().union(*FLOORS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path):
    here = room(path)
    if here in ("__init__", "__main__"):
        return
    floor = next(i for i, names in enumerate(FLOORS) if here in names)
    allowed = set().union(*FLOORS[: floor + 1])
    used = {name.split(".")[1] for name in imports(path) if name.startswith("bpnet.")}
    assert used - {"__version__"} <= allowed


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_third_parties_come_through_their_door(path):
    here = str(path.relative_to(PACKAGE))
    for name in imports(path):
        doors = DOORS.get(name.split(".")[0])
        if doors is not None:
            assert any(here == door or here.startswith(f"{door}/") for door in doors), name


def test_no_module_can_run_what_a_file_says():
    for path in FILES:
        tree = ast.parse(path.read_text())
        called = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"eval", "exec", "compile", "__import__"}, path
        names = set(imports(path))
        assert not names & {"pickle", "marshal", "shelve", "subprocess", "multiprocessing"}, path


def test_public_names_are_those_that_are_promised():
    import bpnet

    assert sorted(bpnet.__all__) == [
        *("FinishedRun", "Model", "__version__", "load", "resume", "train")
    ]
    for name in bpnet.__all__:
        assert getattr(bpnet, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = bpnet.nothing
