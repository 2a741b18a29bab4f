"""A small search: iris, three epochs, a few points; and everything that is made of it."""

import contextlib
from concurrent.futures import Executor, Future

import pytest
from small_configs import IRIS, SEARCH

from bpnet.config.document import Document
from bpnet.config.schema import bind_config
from bpnet.search import directories, remote, sharing
from bpnet.search.plan import make_plan
from bpnet.search.reading import read_space
from bpnet.search.running import Crew
from bpnet.search.space import Space
from bpnet.search.workers import Workers


class AtOnce(Executor):
    """Carries out each task when it is handed in, in this process."""

    def __init__(self, before=lambda task: None):
        self.before = before
        self.count = 0

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.count += 1
        try:
            self.before(*args)
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture(autouse=True)
def _no_memory():
    sharing.forget()


@pytest.fixture
def plan():
    """Return a function that makes the plan of a search."""

    def make(*overrides, search=SEARCH, base=IRIS):
        return make_plan(Document.parse(base + search, "<config>").override(overrides))

    return make


@pytest.fixture
def space():
    """Return a function that reads the space of a config; its values are YAML."""

    def make(text, base=IRIS):
        lines = "".join(f"    {line}\n" for line in text.splitlines())
        document = Document.parse(f"{base}search:\n  space:\n{lines}", "c.yaml")
        return Space(read_space(document, bind_config(document)), {})

    return make


@pytest.fixture
def search(tmp_path):
    """Return a function that carries out a search, by default at once; it returns the study."""

    def run(plan, name="s", *, crew=None, workers=0, fail_fast=False, watch=lambda p: None):
        directory = directories.create_exactly(tmp_path / name)
        with directories.opened(plan, directory) as opened:
            with _crew(plan, crew, workers) as chosen:
                for progress in opened.run(chosen, fail_fast=fail_fast):
                    watch(progress)
            yield_results(opened)
        return opened

    return run


@contextlib.contextmanager
def _crew(plan, crew, workers):
    if crew is not None or not workers:
        yield crew or Crew(AtOnce(), 1, local=True)
        return
    plan.share_data()
    pool = Workers(workers, remote.carry_out)
    try:
        yield Crew(pool, workers, pool.ask_to_stop, local=True)
    finally:
        pool.shutdown(wait=False)


def yield_results(opened):
    """Write the answer while the lock is held."""
    from bpnet.search import answer

    opened.answer = answer.write(opened)


@pytest.fixture
def at_once():
    return AtOnce
