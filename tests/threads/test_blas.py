"""The library of matrix products, asked and told while it is loaded."""

import threading

import numpy as np
import pytest

from bpnet.threads import blas, team

TOLD = blas.threads() is not None

needs_openblas = pytest.mark.skipif(not TOLD, reason="this NumPy has another library")


def test_a_numpy_with_openblas_can_be_asked():
    built_with = np.__config__.CONFIG["Build Dependencies"]["blas"]["name"]
    assert ("openblas" in built_with) == TOLD
    assert bool(blas.kernels()) == TOLD


@needs_openblas
def test_threads_are_set_and_given_back():
    before = blas.threads(), team.size()
    with team.using(2, as_team=True):
        assert (blas.threads(), team.size()) == (1, 2)
    assert (blas.threads(), team.size()) == before
    with pytest.raises(KeyError), team.using(1, as_team=False):
        raise KeyError
    assert (blas.threads(), team.size()) == before


@needs_openblas
def test_who_comes_later_takes_what_is_set_and_the_last_gives_it_back():
    before = blas.threads(), team.size()
    inside, first_is_out = threading.Event(), threading.Event()
    seen = []

    def later():
        with team.using(1, as_team=False):
            inside.set()
            first_is_out.wait(30)
            seen.append((blas.threads(), team.size()))

    other = threading.Thread(target=later)
    with team.using(3, as_team=True):
        other.start()
        inside.wait(30)
    first_is_out.set()
    other.join()
    assert seen == [(1, 3)]
    assert (blas.threads(), team.size()) == before
